"""Grammars against the formula as it is written."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavu.decipher.grammar import Grammar, with_optional_silence
from wavu.ragged import Ragged


def plain_witten_bell(lines: list[list[int]], V: int, order: int) -> dict[tuple[int, ...], np.ndarray]:
    """Probability (V + 1, the last being the end) after each history, as the formula is written."""
    begin, end = V, V
    counts: dict[tuple[int, ...], np.ndarray] = {}
    for line in lines:
        padded = [begin, *line, end]
        for t in range(2, len(padded)):  # nothing is counted after the beginning alone
            for length in range(order):
                counts.setdefault(tuple(padded[t - length : t]), np.zeros(V + 1))[padded[t]] += 1
    probability: dict[tuple[int, ...], np.ndarray] = {}

    def smoothed(history: tuple[int, ...]) -> np.ndarray:
        lower = smoothed(history[1:]) if history else np.full(V + 1, 1 / (V + 1))
        if history not in counts:
            return lower
        seen = counts[history]
        share = seen.sum() / (seen.sum() + (seen > 0).sum())
        return share * seen / seen.sum() + (1 - share) * lower

    for x in range(V + 1):
        for y in range(V):
            history = (x, y)[-(order - 1) :]
            probability[history] = smoothed(history)
    return probability


phone_lines = st.lists(st.lists(st.integers(0, 2), max_size=6), min_size=1, max_size=6).filter(any)


@given(lines=phone_lines, order=st.sampled_from([2, 3]))
@settings(max_examples=30, deadline=None)
def test_a_grammar_is_witten_bell_and_sums_to_one(lines: list[list[int]], order: int) -> None:
    grammar = Grammar.of(Ragged.of([np.array(line) for line in lines], np.int16), 3, order=order)
    assert grammar.first.sum() == pytest.approx(1, abs=1e-5) and (grammar.first > 0).all()
    last = grammar.last if order == 3 else grammar.last[0][:, None]  # (X, Y)
    assert np.allclose(grammar.next.sum(-1) + last, 1, atol=1e-5)
    for history, plain in plain_witten_bell([line for line in lines if line], 3, order).items():
        x, y = history if order == 3 else (history[0], 0)
        # An unseen history counts as one pseudo-successor of the lower order, which is the lower order itself.
        assert np.allclose(grammar.next[x, y], plain[:-1], atol=1e-5) and last[x, y] == pytest.approx(plain[-1], abs=1e-5)


def test_who_begins_is_counted_at_the_beginning() -> None:
    lines = Ragged.of([np.array([1, 0, 0, 0])] * 9 + [np.array([2, 0])], np.int16)
    first = Grammar.of(lines, 3, order=3).first  # by far the most frequent phone never begins
    assert first[1] > 0.7 and 0 < first[0] < 0.2


@given(lines=phone_lines)
@settings(max_examples=20, deadline=None)
def test_silence_at_the_ends_is_optional(lines: list[list[int]]) -> None:
    both = with_optional_silence(Ragged.of([np.array(line) for line in lines], np.int16), 9)
    assert [row.tolist() for row in both] == lines + [[9, *line, 9] for line in lines]
