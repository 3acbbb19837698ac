"""The best engine that a folder holds, and the words that it knows."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wavu import hub
from wavu.audio.frontend import FrontEnd
from wavu.engines.engine import Engine
from wavu.engines.generator import read_generator
from wavu.engines.hmm import read_hmm
from wavu.engines.student import HeadEngine, StudentEngine
from wavu.errors import WavuError
from wavu.ragged import Ragged
from wavu.store import intact, read_json, read_table
from wavu.units import RATE_HZ

if TYPE_CHECKING:
    from wavu.decode.topology import Topology
    from wavu.decode.words import WordDecoder


HUM = (0.1 * np.sin(np.arange(RATE_HZ // 4))).astype(np.float32)  # heard once by every engine


def read_engine(folder: Path) -> tuple[Engine, FrontEnd]:
    """The best engine of a folder that self_train or gan_train left, and the front end beside it.

    Raises:
        WavuError: the folder is neither, is not finished or damaged, or its encoder is not the one it was made with.
    """
    with intact(folder):
        engine, front_end = _read_engine(folder)
        for _ in engine.hear([HUM]):  # files that fit together are heard with, and no others
            pass
        return engine, front_end


def _read_engine(folder: Path) -> tuple[Engine, FrontEnd]:
    if not folder.is_dir():
        raise WavuError(f"model={folder} is not a folder; give the output of wavu.self_train or wavu.gan_train")
    if (folder / "plan.json").exists():
        raise WavuError(
            f"{folder} is not finished (no stage.json); run the command that makes it again, it will go on where it stopped"
        )
    hub.refuse_pickles(folder / "student")
    if (folder / "student" / "model.safetensors").exists():
        from wavu.student.model import Student  # here, because it needs seconds

        student, front_end = Student.read(folder / "student"), FrontEnd.read(folder / "frontend")
        return (HeadEngine(student, front_end) if student.hears_frames else StudentEngine(student)), front_end
    for name, read in (("hmm", read_hmm), ("generator", read_generator)):
        if (folder / f"{name}.safetensors").exists():
            front_end = FrontEnd.read(folder / "frontend")
            if front_end.encoder.dim != len(front_end.mean):
                raise WavuError(
                    f"the encoder gives {front_end.encoder.dim} dims, {folder} was made with {len(front_end.mean)}; was it replaced?"
                )
            return read(folder, front_end), front_end
    raise WavuError(
        f"{folder} holds no model (student/, hmm.safetensors or generator.safetensors); "
        "model= is the output of wavu.self_train or wavu.gan_train"
    )


def read_words(folder: Path, engine: Engine) -> "WordDecoder | None":
    """The word decoder of the engine's scores; None where the folder knows no words, or the engine has no way to them.

    ``words/`` holds lexicon.tsv, words.arpa, words.json, the settings of the search, and graphs once built.

    Raises:
        WavuError: a file is missing or damaged.
    """
    settings, topology = folder / "words" / "words.json", engine.topology()
    if topology is None or not settings.exists():
        return None
    folder = folder / "words"
    with intact(folder):
        return _word_decoder(folder, engine, topology)


def _word_decoder(folder: Path, engine: Engine, topology: "Topology") -> "WordDecoder":
    from wavu.decode.words import WordDecoder  # here, because a recogniser of phones needs no Kaldi

    lexicon = read_table(folder / "lexicon.tsv", ["word", "phones"])
    number = {phone: index for index, phone in enumerate(engine.phones)}
    spelled = Ragged.of([np.array([number.get(phone, -1) for phone in row["phones"].split()], int) for row in lexicon], np.int16)
    if strange := [phone for row in lexicon for phone in row["phones"].split() if phone not in number]:
        raise WavuError(
            f"{folder}/lexicon.tsv has the phone '{strange[0]}', which the model has not; is it of another one? run wavu.self_train again"
        )
    words = [row["word"] for row in lexicon]
    return WordDecoder(words, spelled, folder / "words.arpa", topology, **read_json(folder / "words.json"), cache=folder)
