from itertools import groupby

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wavu.decode.greedy import per_frame, runs

SILENCE = 3


@given(st.lists(st.integers(0, SILENCE), max_size=30))
def test_runs_are_what_groupby_finds(labels: list[int]) -> None:
    found = runs(np.array(labels, np.int16), silence=SILENCE)
    assert found.shape[1:] == (3,)
    assert found[:, 0].tolist() == [label for label, _ in groupby(labels) if label != SILENCE]
    back = np.full(len(labels), SILENCE)
    for phone, first, end in found:
        back[first:end] = phone
    assert back.tolist() == labels


@given(st.lists(st.tuples(st.integers(0, SILENCE), st.integers(1, 5)), min_size=1, max_size=10))
def test_segments_become_frames(segments: list[tuple[int, int]]) -> None:
    labels, lengths = (np.array(column) for column in zip(*segments, strict=True))
    starts = np.cumsum(lengths) - lengths
    expected = [label for label, length in segments for _ in range(length)]
    assert per_frame(labels, starts, int(lengths.sum())).tolist() == expected


def test_nothing_heard_is_nothing_said() -> None:
    assert runs(np.full(4, SILENCE), silence=SILENCE).tolist() == []
