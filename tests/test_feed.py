"""Batches hold everything once, and the next one is made before the last is done with."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavu.feed import ahead, by_length, shuffled


@given(st.lists(st.integers(1, 9), max_size=40), st.booleans())
def test_groups_hold_every_row_once_and_are_not_too_long(lengths: list[int], mixed: bool) -> None:
    groups = list(by_length(lengths, 20, mixed=mixed))
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    assert all(len(group) * max(lengths[index] for index in group) <= 20 for group in groups)
    assert mixed or all(len({lengths[index] for index in group}) == 1 for group in groups)


def test_a_row_too_long_for_any_group_has_one_of_its_own() -> None:
    assert list(by_length([30, 1], 20, mixed=True)) == [[1], [0]]


def test_the_next_item_is_made_while_one_is_used() -> None:
    made = [threading.Event() for _ in range(3)]

    def items() -> Iterator[int]:
        for number, event in enumerate(made):
            event.set()
            yield number

    for number in ahead(items()):
        assert number == 2 or made[number + 1].wait(timeout=10)
    assert not list(ahead([]))


def test_an_error_on_the_way_reaches_who_waits() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    found = ahead(items())
    assert next(found) == 1
    with pytest.raises(ValueError, match="broken"):
        next(found)


def test_shuffled_holds_all_and_differs_from_epoch_to_epoch() -> None:
    lengths = np.random.default_rng(0).uniform(1, 5, 50)
    chance = np.random.default_rng(1)
    first, second = (shuffled(lengths, 20.0, chance) for _ in range(2))
    assert sorted(sum(first, [])) == list(range(50)) == sorted(sum(second, [])) and first != second
    assert shuffled(lengths, 20.0, np.random.default_rng(1)) == first
    spread = [np.ptp(lengths[group]) for group in first]
    assert max(spread) < 2.0  # of the 4 there are
