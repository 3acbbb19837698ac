"""Means of runs, against a loop."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wavu.audio.pool import mean_pool


@settings(max_examples=50)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=20), st.integers(0, 99))
def test_pooling_equals_a_loop(lengths: list[int], seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(sum(lengths), 3)).astype(np.float16)
    starts = np.cumsum([0, *lengths[:-1]])
    loop = [rows[start : start + length].astype(np.float32).mean(axis=0) for start, length in zip(starts, lengths, strict=True)]
    assert np.allclose(mean_pool(rows, starts), loop, atol=1e-5)


def test_nothing_pools_to_nothing() -> None:
    assert mean_pool(np.zeros((0, 3), np.float32), np.zeros(0, np.int64)).shape == (0, 3)
