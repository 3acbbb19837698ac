"""Pieces of recordings of several languages, in batches without padding.

Shapes: U recordings, B of them in a batch, T samples at 16 kHz, N frames, K units.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from wavu.feed import shuffled
from wavu.pretraining.augment import at_speed, disguised
from wavu.units import HOP_SAMPLES, samples

HEARD_SAMPLES = 400  # behind one frame of an encoder of the wav2vec 2.0 family


@dataclass(frozen=True)
class Crop:
    """A piece of recording u: ``length`` samples as heard, from sample ``start`` of it, played at ``speed``. seed: of the disguise."""

    recording: int
    start: int
    length: int
    speed: float
    seed: int


@dataclass(frozen=True, eq=False)
class CropBatch:
    """waveforms (B, T) float32, each of mean 0 and variance 1. units (B, N): of the frames, where they are to be guessed."""

    waveforms: Tensor
    units: Tensor | None


@dataclass(frozen=True, eq=False)
class Crops:
    """What is learned from, see :class:`wavu.training.Feed`.

    read_part: samples ``start`` to ``end`` of recording u, (T,) float32. lengths (U): samples of each. languages (U): which
    language each is of. units: those of the frames of recording u (N), where they are to be guessed. alpha: languages are
    heard in proportion to their share of the audio to this power (Conneau et al. 2020, section 2). longest, batch: seconds of a
    piece and of a batch. augment: blocks ``speed``, ``pitch`` and ``noise``; None: recordings as they are.
    """

    read_part: Callable[[int, int, int], np.ndarray]
    lengths: np.ndarray
    languages: np.ndarray
    units: Callable[[int], np.ndarray] | None
    alpha: float
    longest: float
    batch: float
    augment: dict | None
    pool: ThreadPoolExecutor = field(default_factory=ThreadPoolExecutor)

    def epoch(self, chance: np.random.Generator) -> list[list[Crop]]:
        """As many pieces as there are recordings; those of a batch are as long as its shortest."""
        chosen = drawn(self.lengths, self.languages, self.alpha, chance)
        speeds = self._speeds(len(chosen), chance)
        available = np.floor(self.lengths[chosen] / speeds).astype(int)
        lengths = np.minimum(available, samples(self.longest))
        batches = []
        for group in shuffled(lengths, samples(self.batch), chance):
            length = int(lengths[group].min())
            starts = chance.integers(0, available[group] - length + 1)
            # At the beginning of a frame of the recording, where a piece has the frames that it has in the whole.
            starts = (starts * speeds[group]).astype(int) // HOP_SAMPLES * HOP_SAMPLES
            seeds = chance.integers(0, 2**31, len(group))
            rows = zip(chosen[group].tolist(), starts.tolist(), speeds[group].tolist(), seeds.tolist(), strict=True)
            batches.append([Crop(u, start, length, speed, seed) for u, start, speed, seed in rows])
        return batches

    def read(self, plan: Sequence[Crop]) -> CropBatch:
        """The batch of some pieces of one length."""
        waveforms = torch.from_numpy(np.stack(list(self.pool.map(self._waveform, plan))))
        return CropBatch(waveforms, torch.stack([self._units(crop) for crop in plan]) if self.units else None)

    def _waveform(self, crop: Crop) -> np.ndarray:
        end = crop.start + int(np.ceil(crop.length * crop.speed)) + 1
        waveform = at_speed(self.read_part(crop.recording, crop.start, end), crop.speed)[: crop.length]
        waveform = np.pad(waveform, (0, crop.length - len(waveform)))
        if self.augment:
            chance = np.random.default_rng(crop.seed)
            waveform = disguised(waveform, chance, pitch=self.augment["pitch"], noise=self.augment["noise"])
        return (waveform - waveform.mean()) / np.sqrt(waveform.var() + 1e-7)  # as transformers' extractor does

    def _units(self, crop: Crop) -> Tensor:
        """Units (N) int64 of the frames of a piece: those of the recording's frames whose middles are nearest in time."""
        n = (crop.length - HEARD_SAMPLES) // HOP_SAMPLES + 1
        middles = crop.start + (np.arange(n) * HOP_SAMPLES + HEARD_SAMPLES / 2) * crop.speed
        places = np.rint((middles - HEARD_SAMPLES / 2) / HOP_SAMPLES).astype(int)
        units = self.units(crop.recording)
        return torch.from_numpy(np.asarray(units[places.clip(max=len(units) - 1)], np.int64))

    def _speeds(self, count: int, chance: np.random.Generator) -> np.ndarray:
        """1, or with some probability another."""
        if not self.augment:
            return np.ones(count)
        low, high = self.augment["speed"]["factors"]
        return np.where(chance.random(count) < self.augment["speed"]["share"], chance.uniform(low, high, count), 1.0)


def drawn(lengths: np.ndarray, languages: np.ndarray, alpha: float, chance: np.random.Generator) -> np.ndarray:
    """As many recordings as there are: of a language all of them in turn, again and again, or some of them.

    A language with the share s of all audio makes up s ** alpha of what is drawn, divided by the sum of that over languages.
    """
    hours = np.bincount(languages, lengths)
    wanted = hours**alpha / (hours**alpha).sum() * len(lengths) * (hours.sum() / len(lengths))  # samples of each language
    rows = []
    for language in np.unique(languages):
        own = np.flatnonzero(languages == language)
        count = max(1, round(wanted[language] / lengths[own].mean()))
        turns = [chance.permutation(own) for _ in range(-(-count // len(own)))]
        rows.append(np.concatenate(turns)[:count])
    return np.concatenate(rows)
