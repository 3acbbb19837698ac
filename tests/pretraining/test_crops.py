"""Pieces: languages in the proportion asked for, units where they belong, nothing longer than it may be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavu.pretraining.crops import Crops, drawn

AUGMENT = {
    "speed": {"share": 1.0, "factors": [0.8, 1.25]},
    "pitch": {"share": 0.0, "semitones": 1.0},
    "noise": {"share": 0.0, "decibels": [0.0, 1.0]},
}


def ramps(lengths: list[int]) -> list[np.ndarray]:
    """Recordings whose samples count up, so that a piece tells where it was cut."""
    return [np.arange(length, dtype=np.float32) for length in lengths]


def crops(lengths: list[int], units: bool = False, augment: dict | None = None, **changed: object) -> Crops:
    rows = ramps(lengths)
    places = [np.arange((length - 80) // 320) for length in lengths]  # the unit of a frame is its number
    settings = {"alpha": 1.0, "longest": 2.0, "batch": 6.0, "augment": augment} | changed
    return Crops(
        lambda u, start, end: rows[u][start:end], np.array(lengths), np.zeros(len(lengths), int),
        places.__getitem__ if units else None, **settings,
    )  # fmt: skip


def test_an_epoch_hears_every_recording_once_in_batches_of_one_length() -> None:
    lengths = np.random.default_rng(0).integers(16_000, 64_000, 30).tolist()
    batches = crops(lengths).epoch(np.random.default_rng(1))
    assert sorted(crop.recording for batch in batches for crop in batch) == list(range(30))
    for batch in batches:
        assert len({crop.length for crop in batch}) == 1 and batch[0].length <= 32_000
        assert len(batch) * batch[0].length <= 6.0 * 16_000
        assert all(crop.start % 320 == 0 and crop.start + crop.length <= lengths[crop.recording] for crop in batch)


def test_waveforms_are_normalised_pieces() -> None:
    feed = crops([20_000, 50_000])
    plan = feed.epoch(np.random.default_rng(0))[0]
    batch = feed.read(plan)
    assert batch.units is None and batch.waveforms.shape == (len(plan), plan[0].length)
    np.testing.assert_allclose(batch.waveforms.mean(1), 0, atol=1e-4)
    np.testing.assert_allclose(batch.waveforms.std(1, correction=0), 1, atol=1e-4)
    again = feed.read(plan)
    np.testing.assert_array_equal(batch.waveforms, again.waveforms)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.booleans())
def test_units_are_those_of_the_time_that_is_heard(seed: int, played_faster: bool) -> None:
    """The sample in the middle of a frame counts from the recording's beginning, and so does its unit."""
    feed = crops([60_000, 47_123], units=True, augment=AUGMENT if played_faster else None)
    plan, *_ = feed.epoch(np.random.default_rng(seed))
    batch = feed.read(plan)
    for crop, row in zip(plan, batch.units, strict=True):
        assert len(row) == (crop.length - 400) // 320 + 1
        middles = crop.start + (np.arange(len(row)) * 320 + 200) * crop.speed  # in the recording
        np.testing.assert_allclose(row.numpy() * 320 + 200, middles, atol=161)
        if not played_faster:
            assert row[0] == crop.start // 320 and (np.diff(row.numpy()) == 1).all()


def test_a_faster_piece_is_of_the_length_all_others_have() -> None:
    feed = crops([40_000] * 6, augment=AUGMENT)
    for plan in feed.epoch(np.random.default_rng(5)):
        assert len({crop.speed for crop in plan}) == len(plan)
        assert feed.read(plan).waveforms.shape == (len(plan), plan[0].length)


@pytest.mark.parametrize(("alpha", "expected"), [(1.0, 0.9), (0.5, 0.75), (0.0, 0.5)])
def test_languages_are_heard_as_alpha_says(alpha: float, expected: float) -> None:
    """Nine tenths of the audio are of the first language; by the root of the shares, 3 to 1."""
    lengths = np.full(200, 16_000)
    languages = (np.arange(200) >= 180).astype(int)
    chance = np.random.default_rng(0)
    rows = drawn(lengths, languages, alpha, chance)
    assert len(rows) == pytest.approx(200, abs=2)
    assert np.mean(languages[rows] == 0) == pytest.approx(expected, abs=0.02)
    small = np.bincount(rows[languages[rows] == 1], minlength=200)[180:]
    assert np.ptp(small) <= 1  # again and again, but all alike


def test_a_language_of_longer_recordings_is_not_heard_more() -> None:
    """Shares are of the audio: ten recordings of 4 s are as much as forty of 1 s."""
    lengths, languages = np.repeat([64_000, 16_000], [10, 40]), np.repeat([0, 1], [10, 40])
    rows = drawn(lengths, languages, 0.5, np.random.default_rng(0))
    heard = np.bincount(languages[rows], lengths[rows])
    assert heard[0] == pytest.approx(heard[1], rel=0.1)
