from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavu.prepared import Text
from wavu.ragged import Ragged
from wavu.text.silence import phones_of, with_silence

PRONUNCIATIONS = [[0], [1, 2], [3, 1, 0]]


def text_of(lines: list[list[int]]) -> Text:
    return Text(list("abcd") + ["<SIL>"], ["x", "y", "z"], Ragged.of(PRONUNCIATIONS, np.int16), Ragged.of(lines, np.int32))


def plain(lines: list[list[int]], draws: np.ndarray, probability: float, surround: bool) -> list[list[int]]:
    """One sentence, one word, one phone at a time."""
    draw, out = iter(draws), []
    for line in lines:
        row = [4] * surround
        for place, word in enumerate(line):
            silent = next(draw) < probability
            row += [4] * bool(place > 0 and silent) + PRONUNCIATIONS[word]
        out.append(row + [4] * surround)
    return out


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 2), max_size=5), max_size=6),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.booleans(),
    st.integers(0, 99),
)
def test_equals_the_plain_loop(lines, probability, surround, seed):
    text = text_of(lines)
    drawn = with_silence(text, probability=probability, generator=np.random.default_rng(seed), surround=surround)
    draws = np.random.default_rng(seed).random(sum(map(len, lines)))
    assert [row.tolist() for row in drawn] == plain(lines, draws, probability, surround)
    assert [row.tolist() for row in phones_of(text)] == plain(lines, draws, 0.0, False)
    assert drawn.flat.dtype == np.int16


def test_rate_of_silence_is_the_asked_one():
    text = text_of([[0, 1, 2, 0, 1]] * 5000)
    drawn = with_silence(text, probability=0.25, generator=np.random.default_rng(0), surround=True)
    between = (drawn.flat == 4).sum() - 2 * 5000
    assert between / (4 * 5000) == pytest.approx(0.25, abs=0.01)


def test_a_batch_of_rows():
    text = text_of([[0], [1], [2]])
    batch = replace(text, lines=text.lines.take(np.array([2, 0, 2])))
    assert [row.tolist() for row in phones_of(batch)] == [[3, 1, 0], [0], [3, 1, 0]]
