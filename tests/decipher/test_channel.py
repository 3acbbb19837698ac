"""A channel loses and doubles as often as it is told, and never mixes lines."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wavu.decipher.channel import passed
from wavu.ragged import Ragged

LINES = Ragged.of([np.arange(n) % 7 for n in (5, 0, 900, 1, 3_000)], np.int16)


def test_an_honest_channel_changes_nothing() -> None:
    out = passed(LINES, drop=0.0, double=0.0, copies=2, generator=np.random.default_rng(0))
    assert [row.tolist() for row in out] == 2 * [row.tolist() for row in LINES]


@given(st.floats(0, 0.4), st.floats(0, 0.4), st.integers(0, 9))
def test_shares_are_those_asked_for(drop: float, double: float, seed: int) -> None:
    out = passed(LINES, drop=drop, double=double, copies=3, generator=np.random.default_rng(seed))
    assert len(out) == 3 * len(LINES)
    assert abs(len(out.flat) / (3 * len(LINES.flat)) - (1 - drop + double)) < 0.05
    for row, line in zip(out, 3 * list(LINES), strict=True):
        steps = np.diff(row.astype(int)) % 7  # lines count upwards: what follows is the same, the next, or one further on
        assert len(row) <= 2 * len(line) and (drop > 0 or (steps <= 1).all())
