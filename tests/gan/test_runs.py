"""Runs of labels against itertools, row by row."""

from itertools import groupby

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wavu.gan.runs import collapsed, spoken
from wavu.ragged import Ragged

ROWS = st.lists(st.lists(st.integers(0, 2), max_size=8), min_size=1, max_size=5)


@settings(max_examples=50, deadline=None)
@given(rows=ROWS)
def test_runs_equal_a_loop(rows: list[list[int]]) -> None:
    labels = Ragged.of([np.array(row, np.int16) for row in rows], np.int16)
    plain = [[phone for phone, _ in groupby(row)] for row in rows]
    assert [row.tolist() for row in collapsed(labels)] == plain
    assert [row.tolist() for row in spoken(labels, 2)] == [[phone for phone in row if phone != 2] for row in plain]
