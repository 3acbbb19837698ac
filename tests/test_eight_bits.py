"""A value comes back to within half a step, and what is far out stays on its side."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavu.eight_bits import LARGEST, REACH, packed, step_widths, unpacked


@given(st.floats(1e-3, 1e3), st.integers(0, 2**32 - 1))
def test_within_half_a_step(width: float, seed: int) -> None:
    values = np.random.default_rng(seed).normal(0, width, (200, 3)).astype(np.float32)
    steps = step_widths(values)
    counts = packed(values, steps)
    assert counts.dtype == np.int8 and steps == pytest.approx(REACH / LARGEST * values.std(0), rel=1e-5)
    inside = np.abs(values) <= LARGEST * steps
    again = unpacked(counts, steps)
    assert again.dtype == np.float16 and inside.mean() > 0.99
    assert (np.abs(again - values) <= 0.51 * steps + 1e-3 * np.abs(values))[inside].all()  # a float16 has 11 bits


def test_what_is_far_out_is_put_at_the_end() -> None:
    steps = np.array([0.5], np.float32)
    counts = packed(np.array([[1e6], [-1e6], [0.0]]), steps)
    assert counts.ravel().tolist() == [LARGEST, -LARGEST, 0]
    assert unpacked(counts, steps).ravel().tolist() == [63.5, -63.5, 0]
