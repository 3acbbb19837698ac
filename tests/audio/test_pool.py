"""Means of runs, against a loop."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wavu.audio.pool import mean_pool, pool_runs
from wavu.ragged import Ragged


@settings(max_examples=50)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=20), st.integers(0, 99))
def test_pooling_equals_a_loop(lengths: list[int], seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(sum(lengths), 3)).astype(np.float16)
    starts = np.cumsum([0, *lengths[:-1]])
    loop = [rows[start : start + length].astype(np.float32).mean(axis=0) for start, length in zip(starts, lengths, strict=True)]
    assert np.allclose(mean_pool(rows, starts), loop, atol=1e-5)


@settings(max_examples=30)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=20), st.sampled_from(["f2", "f4"]), st.integers(0, 99))
def test_every_digit_is_that_of_reduceat(lengths: list[int], kind: str, seed: int) -> None:
    """Which is slow where runs are short."""
    rows = np.random.default_rng(seed).normal(size=(sum(lengths), 33)).astype(kind)
    starts = np.cumsum([0, *lengths[:-1]])
    plain = np.add.reduceat(rows, starts, axis=0, dtype=np.float32) / np.array(lengths, np.float32)[:, None]
    assert np.array_equal(mean_pool(rows, starts), plain)


def test_nothing_pools_to_nothing() -> None:
    assert mean_pool(np.zeros((0, 3), np.float32), np.zeros(0, np.int64)).shape == (0, 3)


def test_runs_of_labels_pool_their_frames() -> None:
    frames = Ragged.of([np.array([[1.0], [3.0], [5.0]]), np.array([[7.0], [9.0]])], np.float16)
    labels = Ragged.of([np.array([2, 2, 0]), np.array([0, 0])], np.int16)
    segments, starts, phones = pool_runs(frames, labels)
    assert [row.tolist() for row in segments] == [[[2.0], [5.0]], [[8.0]]]
    assert [row.tolist() for row in starts] == [[0, 2], [0]]
    assert [row.tolist() for row in phones] == [[2, 0], [0]]
