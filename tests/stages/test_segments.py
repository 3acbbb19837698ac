"""Recordings and unpaired text through the commands: a voice reads, segments get their phones, words repair them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import wavu
from wavu import decipher_segments, export, prepare_audio, prepare_text, self_train
from wavu.demo import make_corpus
from wavu.errors import WavuError
from wavu.prepared import Speech
from wavu.ragged import Ragged
from wavu.references import read_references
from wavu.scoring import rates
from wavu.settings.use import Export
from wavu.store import read_json, read_table

CORPUS = {"seed": 3, "utterances": 60, "held_out": 2, "sentences": 400, "lexicon": 40, "voices": 2, "words_per_minute": 140}
FEW = ("reading.sentences=60", "reading.speakers=['','+f2']", "reading.turns=5", "classifier.dims=40", "reading.dims=60")
SHARED = Path(__file__).parents[2] / "shared"

Typed = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of an invented language and its text, prepared."""
    folder = tmp_path_factory.mktemp("corpus")
    make_corpus(folder / "corpus", **CORPUS)
    with pytest.MonkeyPatch.context() as patch:
        for module, arguments in (
            (prepare_audio, [f"audio_dir={folder}/corpus/audio", "encoder=mfcc", "segment=change", "kmeans.clusters=32"]),
            (prepare_text, [f"text={folder}/corpus/sentences.txt", "language=es"]),
        ):
            name = module.__name__.split("_")[-1]
            patch.setattr(sys, "argv", [name, *arguments, f"out_dir={folder}/{name}"])
            module.main()
    return folder


def phone_error_rate(corpus: Path, found: Path) -> float:
    phones = (corpus / "text" / "phones.txt").read_text().split("\n")[:-1]
    rows = Ragged.read(found, "labels")
    said = rows.keep(rows.run_starts() & (rows.flat != len(phones) - 1))
    named = {name: [phones[phone] for phone in row] for name, row in zip(Speech.read(corpus / "audio").ids, said, strict=True)}
    return rates.phone_error_rate(named, read_references(corpus / "corpus" / "references.tsv", corpus / "text")).rate


def test_a_voice_and_words_find_the_phones(corpus: Path, tmp_path: Path, typed: Typed) -> None:
    both = (f"audio={corpus}/audio", f"text={corpus}/text")
    code, told = typed(decipher_segments, *both, f"out_dir={tmp_path}/found", *FEW)
    assert code == 0 and "read by espeak-ng's voice es" in told
    counts = read_json(tmp_path / "found" / "stage.json")["counts"]
    assert counts["utterances"] == 60 and 5 < counts["segments_per_second"] < 25
    assert phone_error_rate(corpus, tmp_path / "found") < 0.45
    code, told = typed(
        self_train, *both, f"gan={tmp_path}/found", f"out_dir={tmp_path}/model", "student=none", "gaussians.turns=2"
    )
    assert code == 0, told
    assert phone_error_rate(corpus, tmp_path / "model") < 0.15
    about = read_json(tmp_path / "model" / "stage.json")["counts"]["hmm"]
    assert 0.5 < about["agreement"] <= 1 and about["predicted_per"] < 0.5


def test_a_head_hears_new_recordings_as_those_it_learned_from(corpus: Path, tmp_path: Path, typed: Typed) -> None:
    both = (f"audio={corpus}/audio", f"text={corpus}/text")
    assert typed(decipher_segments, *both, f"out_dir={tmp_path}/found", *FEW)[0] == 0
    few = ("gaussians.turns=1", "student=head", "student.training.updates=120", "student.validation.every=60")
    code, told = typed(self_train, *both, f"gan={tmp_path}/found", f"out_dir={tmp_path}/model", *few)
    assert code == 0, told
    recogniser, recording = wavu.load(tmp_path / "model"), read_table(corpus / "audio" / "manifest.tsv", ["id", "path"])[3]
    heard = recogniser.transcribe(recording["path"])
    phones = (corpus / "text" / "phones.txt").read_text().split("\n")
    said = [phones[phone] for phone in Ragged.read(tmp_path / "model", "student")[3]]
    assert said and [span.text for span in heard.phones] == said
    assert heard.words is not None and heard.phones[-1].end <= heard.seconds
    with pytest.raises(WavuError, match="not Whisper's"):
        export.main_work(Export(model=tmp_path / "model", out=tmp_path / "exported"))


def test_the_same_seed_finds_the_same(corpus: Path, tmp_path: Path, typed: Typed) -> None:
    """Each in a process of its own: what was killed and starts over finds the same."""
    both = (f"audio={corpus}/audio", f"text={corpus}/text", *FEW, "reading.sentences=10")
    for name in ("one", "two"):
        subprocess.run([sys.executable, "-m", "wavu.decipher_segments", *both, f"out_dir={tmp_path / name}"], check=True)
    assert np.array_equal(Ragged.read(tmp_path / "one", "labels").flat, Ragged.read(tmp_path / "two", "labels").flat)
    assert typed(decipher_segments, *both, f"out_dir={tmp_path / 'one'}")[1].endswith("is complete\n")


def test_counts_alone_give_every_segment_a_phone(corpus: Path, tmp_path: Path, typed: Typed) -> None:
    small = (
        "search.clusters=24",
        "search.clusterings=2",
        "search.restarts=8",
        "search.steps=30",
        "search.tried=2",
        "rounds.counts=2",
    )
    arguments = (
        f"audio={corpus}/audio",
        f"text={corpus}/text",
        "voice=none",
        f"out_dir={tmp_path}/found",
        *small,
        "classifier.dims=40",
    )
    code, told = typed(decipher_segments, *arguments)
    assert code == 0 and "clustering 2: least losses" in told and "counts alone" in told
    labels = Ragged.read(tmp_path / "found", "labels")
    assert np.array_equal(labels.lengths, Speech.read(corpus / "audio").segments.lengths)
    assert labels.flat.max() < len((corpus / "text" / "phones.txt").read_text().split()) - 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("voice=spanisch",), "espeak does not speak 'spanisch'"),
        (("reading.longest=1",), "all sentences of"),
        (("search.clusters=30_000",), "too few to decipher"),
    ],
)
def test_what_cannot_work_is_refused_in_a_line(
    corpus: Path, tmp_path: Path, typed: Typed, arguments: tuple, message: str
) -> None:
    code, told = typed(decipher_segments, f"audio={corpus}/audio", f"text={corpus}/text", f"out_dir={tmp_path}/x", *arguments)
    assert code == 1 and message in told.splitlines()[-1]
    assert not (tmp_path / "x").exists()


def test_generators_are_not_asked_of_a_folder_that_has_none(corpus: Path, tmp_path: Path, typed: Typed) -> None:
    both = (f"audio={corpus}/audio", f"text={corpus}/text")
    typed(decipher_segments, *both, f"out_dir={tmp_path}/found", *FEW, "reading.sentences=10")
    code, told = typed(self_train, *both, f"gan={tmp_path}/found", f"out_dir={tmp_path}/model", "voters=3")
    assert code == 1 and "holds no generators" in told


def test_people_are_understood(tmp_path: Path, typed: Typed) -> None:
    """40 recordings of a person, a real encoder, other sentences of the same books."""
    if not (SHARED / "encoders" / "whisper-base").is_dir():
        pytest.skip("no recordings of people and no encoder beside this folder")
    rows = [{"id": path.stem, "path": str(path)} for path in sorted((SHARED / "data" / "ljspeech-mini" / "audio").iterdir())[:40]]
    from wavu.store import write_table

    write_table(tmp_path / "list.tsv", rows, ("id", "path"))
    both = (f"audio={tmp_path}/audio", f"text={tmp_path}/text")
    encoder = f"encoder={SHARED / 'encoders' / 'whisper-base'}"
    typed(prepare_audio, f"manifest={tmp_path}/list.tsv", encoder, "segment=change", f"out_dir={tmp_path}/audio")
    typed(
        prepare_text,
        f"text={SHARED / 'data' / 'text' / 'en-ljspeech-unpaired.txt'}",
        "language=en-us",
        f"out_dir={tmp_path}/text",
    )
    assert typed(decipher_segments, *both, f"out_dir={tmp_path}/found", "reading.sentences=60")[0] == 0
    phones = (tmp_path / "text" / "phones.txt").read_text().split("\n")[:-1]
    labels = Ragged.read(tmp_path / "found", "labels")
    ids = [row["id"] for row in read_table(tmp_path / "audio" / "manifest.tsv", ["id"])]
    named = {name: [phones[phone] for phone in row] for name, row in zip(ids, labels.keep(labels.run_starts()), strict=True)}
    truth = read_references(SHARED / "data" / "ljspeech-mini" / "references.tsv", tmp_path / "text")
    assert rates.phone_error_rate(named, {name: truth[name] for name in ids}).rate < 0.45
