"""What a best path says, and when."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavu.decode import ctc


def scores_of(path: list[int], tokens: int = 5, sure: float = 0.9) -> np.ndarray:
    scores = np.full((len(path), tokens), (1 - sure) / (tokens - 1))
    scores[np.arange(len(path)), path] = sure
    return np.log(scores)


def test_repeats_are_one_phone_unless_a_blank_parts_them() -> None:
    runs, probability = ctc.greedy(scores_of([0, 2, 2, 0, 2, 3, 0, 0]))
    assert runs[:, 0].tolist() == [1, 1, 2]
    assert runs[:, 1:].tolist() == [[1, 3], [4, 5], [5, 6]]
    assert probability == pytest.approx(0.9)


@given(st.lists(st.integers(0, 4), max_size=30))
def test_says_what_the_plain_rule_says(path: list[int]) -> None:
    plain = [token - 1 for at, token in enumerate(path) if token and (at == 0 or path[at - 1] != token)]
    assert ctc.greedy(scores_of(path) if path else np.zeros((0, 5)))[0][:, 0].tolist() == plain


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60))
def test_spans_follow_each_other_and_hold_their_marks(path: list[int]) -> None:
    runs, _ = ctc.greedy(scores_of(path))
    spans = ctc.spans(runs, hop_seconds=0.04, seconds=0.04 * len(path))
    assert spans.shape == (len(runs), 2)
    assert (spans[:, 0] < spans[:, 1]).all() and (spans[1:, 0] >= spans[:-1, 1] - 1e-9).all()
    assert (spans >= 0).all() and (spans <= 0.04 * len(path) + 1e-9).all()
    middle = runs[:, 1:].mean(1) * 0.04
    assert ((spans[:, 0] <= middle) & (middle <= spans[:, 1])).all()


def test_phones_that_touch_meet_half_way_and_a_pause_parts_others() -> None:
    runs, _ = ctc.greedy(scores_of([0, 1, 0, 2, 0, 3] + [0] * 20 + [4, 0]))
    spans = ctc.spans(runs, hop_seconds=0.04, seconds=10.0)
    assert spans[0, 1] == spans[1, 0] == pytest.approx(0.04 * 2.5)
    assert spans[3, 0] - spans[2, 1] > 0.5
    assert np.diff(spans).ravel() == pytest.approx([0.08] * 4)
