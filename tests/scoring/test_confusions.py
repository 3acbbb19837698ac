from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from wavu.scoring.confusions import NOTHING, aligned, confusions
from wavu.scoring.rates import edit_operations

PHONES = st.lists(st.sampled_from(["t", "a", "kʰ", "iː"]), max_size=12)


@settings(max_examples=150, deadline=None)
@given(PHONES, PHONES)
def test_the_alignment_is_one_of_both_sides_with_the_operations_that_are_counted(found: list[str], true: list[str]) -> None:
    pairs = aligned(found, true)
    assert [phone for phone, _ in pairs if phone != NOTHING] == true
    assert [phone for _, phone in pairs if phone != NOTHING] == found
    wrong = Counter("insertion" if a == NOTHING else "deletion" if b == NOTHING else "substitution" for a, b in pairs if a != b)
    assert (wrong["insertion"], wrong["deletion"], wrong["substitution"]) == edit_operations(found, true)
    assert (NOTHING, NOTHING) not in pairs


def test_planted_confusions_are_found() -> None:
    generator = np.random.default_rng(0)
    names = np.array(["t", "a", "k", "o"])
    true = generator.choice(names, 400, p=[0.4, 0.3, 0.2, 0.1])
    found = np.where(generator.random(400) < 0.2, generator.choice(names, 400), true)
    # Every phone stands between marks that are always right, so there is no doubt about what was taken for it.
    true_row, found_row = (" ".join(f"mark {phone}" for phone in row).split() for row in (true, found))
    made = confusions({"a": found_row}, {"a": true_row})
    assert made.names == ["mark", "t", "a", "k", "o", NOTHING]
    assert np.array_equal(made.counts[1:5, 1:5], confusion_matrix(true, found, labels=names))
    assert made.counts.sum() == 800 and not made.counts[-1].any() and not made.counts[:, -1].any()


def test_the_worst_come_first_with_their_share() -> None:
    made = confusions({"a": ["t", "o", "t", "o", "t"], "b": ["t", "k"]}, {"a": ["t", "a", "t", "a", "t"], "b": ["t"]})
    assert made.worst(5) == [
        {"true": "a", "found": "o", "count": 2, "share": 1.0},
        {"true": NOTHING, "found": "k", "count": 1, "share": 1.0},
    ]
    assert made.worst(1) == made.worst(5)[:1]
    assert made.pairs()[0] == {"true": "t", "found": "t", "count": 4, "share": 1.0}
    assert sum(pair["count"] for pair in made.pairs()) == made.counts.sum() == 7


def test_deletions_stand_in_the_last_column_and_silence_nowhere() -> None:
    made = confusions({"a": ["<SIL>", "t"]}, {"a": ["t", "a", "<SIL>"], "b": ["a"]})
    assert made.names == ["a", "t", NOTHING]
    assert made.counts.tolist() == [[0, 0, 2], [0, 1, 0], [0, 0, 0]]
    assert made.shares.sum(axis=1).tolist() == [1, 1, 0]


@pytest.mark.parametrize("row", [[], ["t"]])
def test_nothing_found_is_all_deleted(row: list[str]) -> None:
    made = confusions({"a": []}, {"a": row})
    assert made.worst(9) == [{"true": "t", "found": NOTHING, "count": 1, "share": 1.0}] * len(row)
