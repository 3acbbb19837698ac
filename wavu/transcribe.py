"""Audio files in, phones out, with times if wanted.

    python -m wavu.transcribe new.wav model=runs/hmm
    python -m wavu.transcribe my_recordings model=runs/hmm out=hypotheses.tsv times=times.tsv

Prints, or writes to out=, a TSV with the columns id and phones. The id is the file's name without its ending; in a folder, its path
below the folder. A file that cannot be read is named and left out.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np

from wavu.audio.files import Recording, find_audio, measured
from wavu.audio.frontend import FrontEnd
from wavu.audio.pool import pool_runs
from wavu.audio.read import defect, read_audio
from wavu.audio.shards import one_ahead
from wavu.audio.vad import file_seconds
from wavu.command import command
from wavu.decipher.hmm import decode, unpacked
from wavu.decode.greedy import per_frame, runs
from wavu.errors import WavuError
from wavu.gan.generator import rebuilt
from wavu.gan.label import label, output_starts
from wavu.progress import say, track
from wavu.store import Ragged, read_tensors, write_table
from wavu.units import HOP_SECONDS

TOGETHER_SECONDS = 600  # of audio heard at a time, while the next is read; changes no result
TOGETHER = 64  # of its pieces labelled at a time by a generator

Labeller = Callable[[Ragged], Ragged]  # encoder frames (N, D) -> one phone id for each of them (N)


@dataclass(frozen=True, eq=False)
class Piece:
    """A file, or a part of a long one from ``start`` seconds: its speech (T,) and where in it that was, spans (P, 2) in seconds."""

    start: float
    speech: np.ndarray
    spans: np.ndarray


Heard = tuple[list[str], np.ndarray]  # phones (R) and their times in seconds of the file (R, 2)


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
                return cls(front_end, *read(folder, front_end))
        raise WavuError(
            f"{folder} holds no model (hmm.safetensors or generator.safetensors); model= is the output of wavu.self_train or wavu.gan_train"
        )

    def listen(self, recording: Recording) -> Piece | str:
        """Read a file, or a part of it; or say why it is of no use."""
        settings = self.front_end.settings
        try:
            waveform = read_audio(recording.path, start=recording.start, end=recording.end)
        except WavuError as error:
            return str(error)
        reason = defect(waveform, min_seconds=settings["min_seconds"], max_clipped=1.0)
        return reason or Piece(recording.start, *self.front_end.listen(waveform))

    def transcribe(self, pieces: list[Piece]) -> Iterator[Heard]:
        """The phones of each piece; none where there is no speech."""
        labels = iter(self.label(self.front_end.encode([piece.speech for piece in pieces if len(piece.speech)])))
        for piece in pieces:
            row = next(labels) if len(piece.speech) else np.zeros(0, np.int16)
            found = runs(row, silence=len(self.phones) - 1)
            # A phone ends with its last frame, not where the next frame begins: a pause may have been cut out between them.
            edges = np.stack([found[:, 1], found[:, 2] - 1], axis=1) * HOP_SECONDS
            times = file_seconds(edges, piece.spans) + [0, HOP_SECONDS] + piece.start
            yield [self.phones[phone] for phone in found[:, 0]], times


def read_generator(folder: Path, front_end: FrontEnd) -> tuple[list[str], Labeller]:
    """Phones and labeller of a gan_train folder: the generator's best phone of each of its outputs.

    One that was warm-started knows segments that an HMM has cut; that HMM cuts the new ones too.
    """
    tensors, about = read_tensors(folder / "generator.safetensors")
    generator, silence = rebuilt(tensors, about), len(about["phones"]) - 1
    cut = read_hmm(folder / "warm_start", front_end, name=about["cut"])[1] if about["cut"] else None

    def inputs(encoded: Ragged) -> tuple[Ragged, Ragged]:
        """What the generator hears, and the first frame of each of its outputs."""
        if about["hears"] == "frames":
            frames = front_end.frames(encoded)
            return frames, output_starts(frames, about["stride"])
        if cut:
            return pool_runs(front_end.frames(encoded), cut(encoded))[:2]
        done = front_end.segment(encoded)
        return done.segments, done.starts

    def labeller(encoded: Ragged) -> Ragged:
        heard, starts = inputs(encoded)
        (labels,) = label(generator, heard, silence=silence, batch_size=TOGETHER)
        return Ragged.of([per_frame(*row) for row in zip(labels, starts, encoded.lengths, strict=True)], np.int16)

    return about["phones"], labeller


def read_hmm(folder: Path, front_end: FrontEnd, *, name: str = "hmm") -> tuple[list[str], Labeller]:
    """Phones and labeller of a self_train folder: the Viterbi path over the acoustic units."""
    tensors, about = read_tensors(folder / f"{name}.safetensors")
    model, grammar = unpacked(tensors)

    def labeller(encoded: Ragged) -> Ragged:
        return decode(model, grammar, front_end.units(encoded), grammar_weight=about["grammar_weight"])

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


def heard(recordings: list[Recording], recogniser: Recogniser) -> Iterator[tuple[str, list[str], np.ndarray]]:
    """Id, phones (R) and times in seconds (R, 2) of each file that can be used; the others are named on standard error."""
    with track("transcribe", len(recordings), "files") as advance:
        for recording, parts in groupby(_pieces(recordings, recogniser), key=itemgetter(0)):
            results = [result for _, result in parts]
            advance()
            reasons = [result for result in results if isinstance(result, str)]
            if reasons:
                say(f"warning: {recording.path} is left out: {reasons[0]}")
            else:
                yield (
                    recording.id,
                    [phone for phones, _ in results for phone in phones],
                    np.concatenate([times for _, times in results]),
                )


def _pieces(recordings: list[Recording], recogniser: Recogniser) -> Iterator[tuple[Recording, Heard | str]]:
    """The recording that each piece is of, in order, and what was heard, or why the piece is of no use."""

    def listen(part: tuple[Recording, Recording]) -> tuple[Recording, Piece | str]:
        return part[0], recogniser.listen(part[1])

    with ThreadPoolExecutor() as pool:
        batches = _batches(recordings, max_seconds=recogniser.front_end.settings["max_seconds"])
        for batch in one_ahead(batches, partial(pool.map, listen)):
            done = recogniser.transcribe([piece for _, piece in batch if isinstance(piece, Piece)])
            for recording, piece in batch:
                yield recording, next(done) if isinstance(piece, Piece) else piece


def _batches(recordings: list[Recording], *, max_seconds: float) -> Iterator[list[tuple[Recording, Recording]]]:
    """Recordings and the parts of each, of about ``TOGETHER_SECONDS`` together."""
    batch, seconds = [], 0.0
    for recording in recordings:
        for part in measured(recording, max_seconds=max_seconds):
            batch.append((recording, part))
            seconds += part.seconds
            if seconds >= TOGETHER_SECONDS:
                yield batch
                batch, seconds = [], 0.0
    if batch:
        yield batch


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
