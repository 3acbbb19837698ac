"""Recordings of several languages to learn from, some of them held out; in memory, or read piece by piece."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain

import numpy as np

from wavu.audio.files import Recording
from wavu.audio.read import read_audio
from wavu.errors import WavuError
from wavu.pretraining.crops import Crops
from wavu.progress import track
from wavu.ragged import Ragged
from wavu.units import samples, seconds

PCM_SCALE = 32_767  # float to 16 bits and back


@dataclass(frozen=True, eq=False)
class Corpus:
    """Recordings of all languages, some of them held out. languages: of each, as a number. names: of the languages."""

    recordings: list[Recording]
    languages: np.ndarray
    names: list[str]
    learned: np.ndarray
    held: np.ndarray
    kept: list[np.ndarray] | None

    @classmethod
    def of(cls, recordings: dict[str, list[Recording]], *, held_out_minutes: float, memory_hours: float, seed: int) -> "Corpus":
        """Hold some out, a tenth at most, and decode all, if they are no more than ``memory_hours``."""
        everything = list(chain.from_iterable(recordings.values()))
        languages = np.repeat(np.arange(len(recordings)), [len(rows) for rows in recordings.values()])
        lengths = np.array([recording.seconds for recording in everything])
        order = np.random.default_rng(seed).permutation(len(everything))
        limit = min(held_out_minutes * 60, lengths.sum() / 10)
        count = max(1, int(np.searchsorted(lengths[order].cumsum(), limit)))
        if len(order) < 2:
            raise WavuError("one recording cannot be learned from and held out; give more audio")
        held, learned = np.sort(order[:count]), np.sort(order[count:])
        kept = _decoded(everything) if lengths.sum() <= memory_hours * 3600 else None
        return cls(everything, languages, list(recordings), learned, held, kept)

    def part(self, place: int, start: int, end: int) -> np.ndarray:
        """Samples ``start`` to ``end`` of a recording (T,) float32."""
        if self.kept is not None:
            return self.kept[place][start:end].astype(np.float32) / PCM_SCALE
        recording = self.recordings[place]
        stop = min(recording.end, recording.start + seconds(end))
        return read_audio(recording.path, start=recording.start + seconds(start), end=stop)

    def crops(
        self, rows: np.ndarray, units: Ragged | None, *, longest: float, batch: float, augment: dict | None, alpha: float
    ) -> Crops:
        """Pieces of some of the recordings."""
        lengths = np.array([samples(self.recordings[row].seconds) for row in rows])
        return Crops(
            lambda place, start, end: self.part(int(rows[place]), start, end), lengths, self.languages[rows],
            None if units is None else lambda place: units[int(rows[place])],
            alpha=alpha, longest=longest, batch=batch, augment=augment,
        )  # fmt: skip

    def counts(self) -> dict:
        """For stage.json."""
        lengths = np.array([recording.seconds for recording in self.recordings])
        by_language = np.bincount(self.languages, lengths).round(1).tolist()
        return {
            "recordings": len(lengths),
            "audio_seconds": round(float(lengths.sum()), 1),
            "held_out_seconds": round(float(lengths[self.held].sum()), 1),
            "audio_seconds_by_language": dict(zip(self.names, by_language, strict=True)),
        }


def _decoded(recordings: list[Recording]) -> list[np.ndarray]:
    """All samples, 16 bits each."""

    def read(recording: Recording) -> np.ndarray:
        waveform = read_audio(recording.path, start=recording.start, end=recording.end)
        return np.rint(waveform.clip(-1, 1) * PCM_SCALE).astype(np.int16)

    rows = []
    with ThreadPoolExecutor() as pool, track("reading", sum(r.seconds for r in recordings) / 60, "min") as advance:
        for recording, row in zip(recordings, pool.map(read, recordings), strict=True):
            rows.append(row)
            advance(recording.seconds / 60)
    return rows
