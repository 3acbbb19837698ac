"""A shard of recordings through reader, VAD and encoder: the one time that audio is touched."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from wavu.audio.encoder import Encoder
from wavu.audio.features import CEPSTRUM_DIM, cepstra
from wavu.audio.files import Recording, escaped
from wavu.audio.frontend import joined, speech_of
from wavu.audio.read import breaks_off, defect, duration, read_audio
from wavu.cores import cores
from wavu.device import on_all_cores
from wavu.errors import WavuError
from wavu.feed import ahead
from wavu.progress import say, track
from wavu.ragged import Ragged
from wavu.seal import read_rows, seal
from wavu.store import write_table
from wavu.units import seconds

SHORT_SECONDS = 0.5  # a file that gives so much less than it promises breaks off; headers round
READINGS = 2  # of a file that changes while it is read
WARNINGS = 10  # shown; the others are in the table


@dataclass(frozen=True, eq=False)
class Encoded:
    """A shard after the encoder: recordings kept and skipped, frames (N, D) and spans of speech (P, 2) in seconds of the file.

    cepstra (N, 39): where they are wanted, the MFCC at the time of each frame.
    """

    kept: list[dict]
    skipped: list[dict]
    frames: Ragged
    spans: Ragged
    cepstra: Ragged | None = None

    def write(self, folder: Path, *, of: str = "") -> None:
        """Write a folder, ``rows.json`` last: where it is, the folder is whole. of: what it was made of."""
        self.frames.write(folder, "encoded")
        self.spans.write(folder, "spans")
        if self.cepstra is not None:
            self.cepstra.write(folder, "cepstra")
        seal(folder, {"kept": self.kept, "skipped": self.skipped, "of": of})

    @classmethod
    def read(cls, folder: Path) -> "Encoded":
        """Open what :meth:`write` wrote."""
        names = {"frames": "encoded", "spans": "spans"} | ({"cepstra": "cepstra"} if (folder / "cepstra.npy").exists() else {})
        arrays = {field: Ragged.read(folder, name) for field, name in names.items()}
        rows = read_rows(folder)
        return cls(rows["kept"], rows["skipped"], **arrays)


@dataclass(frozen=True, eq=False)
class Listened:
    """A recording after VAD.

    kept: with its end as decoded, its speech (T,) and spans (P, 2). skipped: a row of ``skipped.tsv``, why it, or its end, is of
    no use.
    """

    kept: tuple[Recording, np.ndarray, np.ndarray] | None = None
    skipped: dict | None = None


Encode = Callable[[Iterable[list[Recording]]], Iterator[Encoded]]


def encode_audio(
    shards: Iterable[list[Recording]], *, encoder: Encoder, with_cepstra: bool, vad: dict, min_seconds: float, max_clipped: float
) -> Iterator[Encoded]:
    """Shards of recordings, encoded. The next shard is read and cut while one is encoded.

    with_cepstra: whether the MFCC at the time of each frame are computed too.
    """
    listen = partial(hear, vad=vad, min_seconds=min_seconds, max_clipped=max_clipped)
    for heard in ahead(map(listen, shards)):
        yield encode_heard(heard, encoder=encoder, with_cepstra=with_cepstra)


def hear(shard: list[Recording], *, vad: dict, min_seconds: float, max_clipped: float) -> list[Listened]:
    """The recordings of a shard, read and cut to their speech."""
    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(partial(_listen, vad=vad, min_seconds=min_seconds, max_clipped=max_clipped), shard))


def encode_heard(heard: list[Listened], *, encoder: Encoder, with_cepstra: bool) -> Encoded:
    """The recordings of a shard, encoded."""
    kept = [one.kept for one in heard if one.kept]
    waveforms = [speech for _, speech, _ in kept]
    frames = encoder.encode(waveforms)
    beside = [rows.numpy() for rows in on_all_cores(cepstra, waveforms)] if with_cepstra else []
    return Encoded(
        kept=[_row(recording) for recording, _, _ in kept],
        skipped=[one.skipped for one in heard if one.skipped],
        frames=joined(frames, encoder.dim),
        spans=_spans([spans for _, _, spans in kept]),
        cepstra=_beside(frames, beside) if with_cepstra else None,
    )


def slice_frames(shards: Iterable[list[Recording]], *, recordings: list[Recording], frames: Ragged) -> Iterator[Encoded]:
    """Shards of recordings of which the frames (N, D) are there already, row by row."""
    number = {recording.id: row for row, recording in enumerate(recordings)}
    for shard in shards:
        rows = [(recording, np.asarray(frames[number[recording.id]], np.float32)) for recording in shard]
        reasons = [
            None if len(row) and np.isfinite(row).all() else "holds NaN or infinite frames" if len(row) else "no frames"
            for _, row in rows
        ]
        kept = [row for row, reason in zip(rows, reasons, strict=True) if reason is None]
        yield Encoded(
            kept=[_row(recording) for recording, _ in kept],
            skipped=[
                {"path": str(recording.path), "reason": reason}
                for recording, reason in zip(shard, reasons, strict=True)
                if reason
            ],
            frames=joined([row for _, row in kept], frames.flat.shape[1]),
            spans=_spans([np.array([[0.0, recording.end]]) for recording, _ in kept]),
        )


def tracked(what: str, todo: list[int], shards: list[list[Recording]], encode: Encode) -> Iterator[tuple[int, Encoded]]:
    """Encode the shards numbered ``todo`` under a progress line."""
    minutes = [sum(recording.seconds for recording in shards[shard]) / 60 for shard in todo]
    with track(what, sum(minutes), "min") as advance:
        for shard, length, encoded in zip(todo, minutes, encode(shards[shard] for shard in todo), strict=True):
            yield shard, encoded
            advance(length)


def write_skipped(path: Path, rows: list[dict]) -> None:
    """Which recordings are of no use, and why: a table of all, and the first of them told."""
    write_table(path, rows, ("path", "reason"))
    for row in rows[:WARNINGS]:
        say(f"skipped {row['path']}: {row['reason']}")
    if len(rows) > WARNINGS:
        say(f"skipped {len(rows) - WARNINGS} more: see {path}")


def _listen(recording: Recording, *, vad: dict, min_seconds: float, max_clipped: float) -> Listened:
    """What of a recording is of use, and why the rest is not."""
    path, skipped = escaped(recording.path), partial(_skipped, recording.path)
    if path != recording.path.as_posix():
        return Listened(
            skipped=skipped("the name holds a tab, a line end or bytes that are not UTF-8, which tables cannot; rename it")
        )
    try:
        waveform = _read_still(recording)
    except WavuError as error:
        return Listened(skipped=skipped(str(error)))
    reason = defect(waveform, min_seconds=min_seconds, max_clipped=max_clipped)
    if reason:
        return Listened(skipped=skipped(reason))
    speech, spans = speech_of(waveform, vad=vad, min_seconds=min_seconds)
    if not len(speech):
        return Listened(skipped=skipped(f"less than {min_seconds:g} s of speech"))
    end = round(recording.start + seconds(len(waveform)), 4)
    cut = recording.end - end > SHORT_SECONDS or (breaks_off(recording.path) and end > duration(recording.path) - SHORT_SECONDS)
    rest = skipped(f"its end is missing: the file breaks off after {end:.1f} s, which are used") if cut else None
    return Listened((replace(recording, end=end), speech, spans + np.float32(recording.start)), rest)


def _read_still(recording: Recording) -> np.ndarray:
    """The samples (T,) of a recording; one that changes while it is read is read again.

    Raises:
        WavuError: it cannot be read, or changes again; the message is a reason.
    """
    for _ in range(READINGS):
        before = _state(recording.path)
        waveform = read_audio(recording.path, start=recording.start, end=recording.end)
        if _state(recording.path) == before:
            return waveform
    raise WavuError("the file changes while it is read; run the same command again when it is whole")


def _state(path: Path) -> tuple[int, int] | None:
    """Size and time of change of a file; None where there is none."""
    try:
        return path.stat().st_size, path.stat().st_mtime_ns
    except OSError:
        return None


def _skipped(path: Path, reason: str) -> dict:
    """A row of ``skipped.tsv``."""
    return {"path": escaped(path), "reason": reason}


def _beside(frames: list[np.ndarray], cepstra: list[np.ndarray]) -> Ragged:
    """Of cepstra (C, 39), one per 10 ms, that at the time of each frame (N, D), one per 20 ms; at the end the last is repeated."""
    at = [np.minimum(2 * np.arange(len(row)), len(rows) - 1) for row, rows in zip(frames, cepstra, strict=True)]
    return joined([rows[chosen] for rows, chosen in zip(cepstra, at, strict=True)], CEPSTRUM_DIM)


def _row(recording: Recording) -> dict:
    """A recording as the tables name it."""
    return {**asdict(recording), "path": str(recording.path)}


def _spans(rows: list[np.ndarray]) -> Ragged:
    """Spans (P, 2) of each utterance as one Ragged."""
    return Ragged.of(rows, np.float32) if rows else Ragged(np.zeros((0, 2), np.float32), np.zeros(1, np.int64))
