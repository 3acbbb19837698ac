"""Another voice, another room: a tone moves where it should, noise is as loud as asked for."""

import numpy as np
import pytest

from wavu.pretraining.augment import at_speed, disguised, loudness, noisy, shifted

TIME = np.arange(32_000) / 16_000
TONE = (0.3 * np.sin(2 * np.pi * 500 * TIME)).astype(np.float32)


def pitch(waveform: np.ndarray) -> float:
    """Of the loudest partial, in Hz."""
    middle = waveform[4_000:-4_000] * np.hanning(len(waveform) - 8_000)
    return float(np.abs(np.fft.rfft(middle)).argmax() * 16_000 / len(middle))


@pytest.mark.parametrize("factor", [0.85, 1.0, 1.2])
def test_speed_moves_length_and_pitch(factor: float) -> None:
    played = at_speed(TONE, factor)
    assert len(played) == pytest.approx(32_000 / factor, abs=2) and pitch(played) == pytest.approx(500 * factor, rel=0.01)


@pytest.mark.parametrize("semitones", [-4.0, 3.0])
def test_pitch_moves_alone(semitones: float) -> None:
    moved = shifted(TONE, semitones)
    assert len(moved) == 32_000 and moved.dtype == np.float32
    assert pitch(moved) == pytest.approx(500 * 2 ** (semitones / 12), rel=0.02)


@pytest.mark.parametrize("slope", [0.0, 1.0])
def test_noise_is_as_loud_as_asked_for(slope: float) -> None:
    noise = noisy(TONE, 10.0, slope, np.random.default_rng(0)) - TONE
    assert 20 * np.log10(loudness(TONE) / loudness(noise)) == pytest.approx(10.0, abs=0.1)
    spectrum = np.abs(np.fft.rfft(noise))
    low, high = spectrum[200:400].mean(), spectrum[6_400:12_800].mean()
    assert high / low == pytest.approx((300 / 9_600) ** slope, rel=0.5)


def test_silence_stays_without_numbers_that_are_none() -> None:
    assert np.isfinite(noisy(np.zeros(1_000, np.float32), 10.0, 0.5, np.random.default_rng(0))).all()


def test_a_disguise_is_its_seeds() -> None:
    how = {"pitch": {"share": 0.5, "semitones": 4.0}, "noise": {"share": 0.5, "decibels": [5.0, 30.0]}}
    first, again = (disguised(TONE, np.random.default_rng(3), **how) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    never = {"pitch": {"share": 0.0, "semitones": 4.0}, "noise": {"share": 0.0, "decibels": [5.0, 30.0]}}
    np.testing.assert_array_equal(disguised(TONE, np.random.default_rng(3), **never), TONE)
    changed = [not np.array_equal(disguised(TONE, np.random.default_rng(seed), **how), TONE) for seed in range(20)]
    assert 8 <= sum(changed) < 20  # three of four, as expected
