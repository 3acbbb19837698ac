from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavu.decode.greedy import confidence, per_frame, runs

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


def test_scores_of_segments_become_those_of_frames() -> None:
    assert per_frame(np.array([[1, 2], [3, 4]]), np.array([0, 2]), 3).tolist() == [[1, 2], [1, 2], [3, 4]]


@given(st.lists(st.integers(0, SILENCE), min_size=1, max_size=20), st.integers(0, 99), st.floats(-50, 50))
def test_confidence_is_the_posterior_of_the_mean_frame(labels: list[int], seed: int, louder: float) -> None:
    """Whatever is common to all phones, as the likelihood of the frame, does not count."""
    scores = np.random.default_rng(seed).normal(0, 3, (len(labels), SILENCE + 1))
    found = runs(np.array(labels), silence=SILENCE)
    expected = []
    for phone, first, end in found:
        odds = np.exp(scores[first:end].mean(0))
        expected.append(odds[phone] / odds.sum())
    assert confidence(scores + louder, found) == pytest.approx(expected, abs=1e-6)


def test_confidence_holds_where_all_phones_are_hopeless() -> None:
    found = np.array([[1, 0, 2]])
    assert confidence(np.full((2, 4), -1e4, np.float32), found).tolist() == [0.25]
    assert confidence(np.array([[-1e4, 0.0]] * 2), found).tolist() == [1.0]


def test_nothing_heard_is_nothing_said() -> None:
    found = runs(np.full(4, SILENCE), silence=SILENCE)
    assert found.tolist() == [] and confidence(np.zeros((4, 4)), found).tolist() == []
