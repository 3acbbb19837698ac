"""Audio files in, phones out, with times if wanted.

    python -m wavu.transcribe new.wav model=runs/hmm
    python -m wavu.transcribe my_recordings model=runs/hmm out=hypotheses.tsv times=times.tsv

Prints, or writes to out=, a TSV with the columns id and phones. The id is the file's name without its ending; in a folder, its path
below the folder. A file that cannot be read is named and left out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch

from wavu.audio.files import Recording, find_audio, measured
from wavu.audio.frontend import FrontEnd, Segmented, Utterance
from wavu.audio.pool import pool_runs
from wavu.audio.read import defect, read_audio
from wavu.audio.vad import file_seconds
from wavu.command import command
from wavu.decipher.hmm import decode, unpacked
from wavu.decode.greedy import per_frame, runs
from wavu.errors import WavuError
from wavu.gan.label import label
from wavu.gan.model import Generator
from wavu.progress import say, track
from wavu.store import Ragged, read_tensors, write_table
from wavu.units import HOP_SECONDS

TOGETHER = 64  # pieces labelled at a time; changes no result

Labeller = Callable[[Segmented], Ragged]  # utterances through the front end -> one phone id for each of their frames (N)


@dataclass(frozen=True, eq=False)
class Recogniser:
    """Everything between a waveform and its phones. phones: V symbols, the last is silence."""

    front_end: FrontEnd
    phones: list[str]
    label: Labeller

    @classmethod
    def read(cls, folder: Path) -> "Recogniser":
        """Open the output of gan_train or of self_train.

        Raises:
            WavuError: the folder is neither, or its encoder is not the one it was made with.
        """
        for name, read in (("hmm", read_hmm), ("generator", read_generator)):
            if (folder / f"{name}.safetensors").exists():
                front_end = FrontEnd.read(folder / "frontend")
                if front_end.encoder.dim != len(front_end.mean):
                    raise WavuError(
                        f"the encoder gives {front_end.encoder.dim} dims, {folder} was made with {len(front_end.mean)}; was it replaced?"
                    )
                return cls(front_end, *read(folder))
        raise WavuError(
            f"{folder} holds no model (hmm.safetensors or generator.safetensors); model= is the output of wavu.self_train or wavu.gan_train"
        )

    def transcribe(self, pieces: list[tuple[float, Utterance]]) -> Iterator[tuple[list[str], np.ndarray]]:
        """Pieces of audio, each with its start in seconds of the file -> phones (R) and their times in the file (R, 2)."""
        rows = [utterance for _, utterance in pieces]
        columns = {name: [getattr(row, name) for row in rows] for name in ("frames", "units", "segments", "starts")}
        labels = self.label(Segmented(**{name: Ragged.of(column, column[0].dtype) for name, column in columns.items()}))
        for (start, utterance), row in zip(pieces, labels, strict=True):
            found = runs(row, silence=len(self.phones) - 1)
            # A phone ends with its last frame, not where the next frame begins: a pause may have been cut out between them.
            edges = np.stack([found[:, 1], found[:, 2] - 1], axis=1) * HOP_SECONDS
            times = file_seconds(edges, utterance.spans) + [0, HOP_SECONDS] + start
            yield [self.phones[phone] for phone in found[:, 0]], times


def read_generator(folder: Path) -> tuple[list[str], Labeller]:
    """Phones and labeller of a gan_train folder: the generator's best phone of each segment.

    A generator that was warm-started knows segments that an HMM has cut; it cuts new ones too.
    """
    tensors, about = read_tensors(folder / "generator.safetensors")
    generator = Generator(torch.from_numpy(tensors["kernel"])[None], dropout=0.0)
    warm_start = folder / "warm_start"
    cut = read_hmm(warm_start)[1] if (warm_start / "hmm.safetensors").exists() else None

    def labeller(speech: Segmented) -> Ragged:
        segments, starts = (speech.segments, speech.starts) if cut is None else pool_runs(speech.frames, cut(speech))[:2]
        (labels,) = label(generator, segments, batch_size=TOGETHER)
        rows = zip(labels, starts, speech.frames.lengths, strict=True)
        return Ragged.of([per_frame(*row) for row in rows], np.int16)

    return about["phones"], labeller


def read_hmm(folder: Path) -> tuple[list[str], Labeller]:
    """Phones and labeller of a self_train folder: the Viterbi path over the acoustic units."""
    tensors, about = read_tensors(folder / "hmm.safetensors")
    model, grammar = unpacked(tensors)

    def labeller(speech: Segmented) -> Ragged:
        return decode(model, grammar, speech.units, grammar_weight=about["grammar_weight"])

    return about["phones"], labeller


def recordings_of(files: list[str]) -> list[Recording]:
    """The recordings that files and folders name.

    Raises:
        WavuError: nothing was given, one does not exist, or two would have one id.
    """
    if not files:
        raise WavuError("no audio was given; write the files, or a folder of them, after the command")
    found: dict[str, Recording] = {}
    for path in map(Path, files):
        if not path.exists():
            raise WavuError(f"{path} does not exist; check the path")
        for recording in find_audio(path) if path.is_dir() else [Recording(path.stem, path)]:
            if recording.id in found:
                raise WavuError(
                    f"{found[recording.id].path} and {recording.path} would both have the id {recording.id}; transcribe them apart"
                )
            found[recording.id] = recording
    return list(found.values())


def listen(recording: Recording, front_end: FrontEnd) -> Iterator[tuple[float, Utterance]]:
    """A file through the front end, in pieces where it is long, each with its start in seconds.

    Raises:
        WavuError: it cannot be read, or holds nothing to hear.
    """
    for piece in measured(recording, max_seconds=front_end.settings["max_seconds"]):
        waveform = read_audio(piece.path, start=piece.start, end=piece.end)
        if reason := defect(waveform, min_seconds=front_end.settings["min_seconds"], max_clipped=1.0):
            raise WavuError(reason)
        yield piece.start, front_end.process(waveform)


def heard(recordings: list[Recording], recogniser: Recogniser) -> Iterator[tuple[str, list[str], np.ndarray]]:
    """Id, phones (R) and times in seconds (R, 2) of each file that can be used; the others are named on standard error."""
    with track("transcribe", len(recordings), "files") as advance:
        for first in range(0, len(recordings), TOGETHER):
            pieces: list[tuple[str, float, Utterance]] = []
            for recording in recordings[first : first + TOGETHER]:
                try:
                    pieces += [(recording.id, *piece) for piece in listen(recording, recogniser.front_end)]
                except WavuError as error:
                    say(f"warning: {recording.path} is left out: {error}")
                advance()
            done = recogniser.transcribe([piece[1:] for piece in pieces]) if pieces else []
            pairs = zip(pieces, done, strict=True)
            for name, group in groupby(pairs, key=lambda pair: pair[0][0]):
                parts = [part for _, part in group]
                yield name, [phone for phones, _ in parts for phone in phones], np.concatenate([times for _, times in parts])


def main_work(config: dict) -> None:
    """Transcribe the files; print or write what was heard."""
    recordings = recordings_of(config["files"])
    recogniser = Recogniser.read(Path(config["model"]))
    rows, times = [], []
    for name, phones, spans in heard(recordings, recogniser):
        rows.append({"id": name, "phones": " ".join(phones)})
        times += [
            {"id": name, "start": f"{start:.2f}", "end": f"{end:.2f}", "phone": phone}
            for phone, (start, end) in zip(phones, spans.tolist(), strict=True)
        ]
        if not config["out"]:
            if len(rows) == 1:
                print("id\tphones")
            print("\t".join(rows[-1].values()), flush=True)
    if not rows:
        raise WavuError(f"none of the {len(recordings)} files could be used; the reasons stand above")
    if config["out"]:
        write_table(Path(config["out"]), rows, ("id", "phones"))
    if config["times"]:
        write_table(Path(config["times"]), times, ("id", "start", "end", "phone"))
    say(f"{len(rows):,} of {len(recordings):,} files, {len(times):,} phones")


main = command("transcribe", main_work, __doc__, files=True)

if __name__ == "__main__":
    main()
