"""One recording heard as many: faster or slower, higher or lower, in noise."""

from typing import Any

import numpy as np
import pedalboard
import soxr

from wavu.units import RATE_HZ


def at_speed(waveform: np.ndarray, factor: float) -> np.ndarray:
    """A waveform (T,) played ``factor`` times as fast, and so much higher: (T / factor,)."""
    return waveform if factor == 1.0 else soxr.resample(waveform, RATE_HZ * factor, RATE_HZ, quality="MQ")


def disguised(waveform: np.ndarray, chance: np.random.Generator, *, pitch: dict, noise: dict) -> np.ndarray:
    """A waveform (T,) as another voice in another room, of the same length.

    pitch: with probability ``share`` shifted by up to ``semitones`` either way. noise: with probability ``share``, some with a
    spectrum that falls between not at all and as brown noise does, at a signal-to-noise ratio within ``decibels``.
    """
    if chance.random() < pitch["share"]:
        semitones = chance.uniform(-pitch["semitones"], pitch["semitones"])
        waveform = shifted(waveform, semitones)
    if chance.random() < noise["share"]:
        waveform = noisy(waveform, chance.uniform(*noise["decibels"]), chance.uniform(0, 1), chance)
    return waveform


def shifted(waveform: np.ndarray, semitones: float) -> np.ndarray:
    """A waveform (T,) with another pitch at the same speed."""
    moved = pedalboard.time_stretch(
        waveform, RATE_HZ, stretch_factor=1.0, pitch_shift_in_semitones=semitones, high_quality=False
    )[0]
    return np.pad(moved, (0, max(0, len(waveform) - len(moved))))[: len(waveform)]


def noisy(waveform: np.ndarray, decibels: float, slope: float, chance: np.random.Generator) -> np.ndarray:
    """A waveform (T,) in noise whose amplitude falls with the frequency to the power of ``slope``."""
    spectrum = np.fft.rfft(chance.standard_normal(len(waveform), dtype=np.float32))
    spectrum /= np.maximum(1.0, np.arange(len(spectrum))) ** slope
    noise = np.fft.irfft(spectrum, len(waveform)).astype(np.float32)
    wanted = loudness(waveform) * 10 ** (-decibels / 20)
    return waveform + noise * (wanted / max(loudness(noise), 1e-9))


def loudness(waveform: np.ndarray) -> Any:
    """Root mean square."""
    return np.sqrt(np.mean(np.square(waveform)))
