from collections.abc import Callable

import jiwer
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from wavu.errors import WavuError
from wavu.scoring.rates import (
    ErrorRate,
    character_error_rate,
    compare,
    edit_operations,
    interval,
    phone_error_rate,
    word_error_rate,
)

PHONES = st.lists(st.sampled_from(["t", "a", "kʰ", "iː"]), max_size=12)
BOOTSTRAP = {"level": 0.95, "resamples": 4000, "seed": 0}


def table_operations(found: list[str], true: list[str]) -> tuple[int, int, int]:
    """Plain twin: Levenshtein's table of (errors, substitutions), cell by cell."""
    row = [(column, 0) for column in range(len(found) + 1)]
    for symbol in true:
        new = [(row[0][0] + 1, 0)]
        for column, other in enumerate(found):
            wrong = symbol != other
            diagonal = (row[column][0] + wrong, row[column][1] + wrong)
            up, left = row[column + 1], new[-1]
            new.append(min(diagonal, (up[0] + 1, up[1]), (left[0] + 1, left[1])))
        row = new
    errors, substitutions = row[-1]
    insertions = (errors - substitutions + len(found) - len(true)) // 2
    return insertions, insertions + len(true) - len(found), substitutions


@settings(max_examples=200, deadline=None)
@given(PHONES, PHONES)
def test_operations_are_those_of_the_plain_table_and_add_up_as_jiwers(found: list[str], true: list[str]) -> None:
    insertions, deletions, substitutions = edit_operations(found, true)
    assert (insertions, deletions, substitutions) == table_operations(found, true)
    if true:
        theirs = jiwer.process_words(" ".join(true), " ".join(found))
        assert insertions + deletions + substitutions == theirs.insertions + theirs.deletions + theirs.substitutions
        assert substitutions <= theirs.substitutions  # of equally cheap alignments, the one with the most phones right


@pytest.mark.parametrize(
    ("found", "true", "operations"),
    [
        ("a b c", "a b c", (0, 0, 0)),
        ("", "a b c", (0, 3, 0)),
        ("a b c", "", (3, 0, 0)),
        ("", "", (0, 0, 0)),
        ("a x c", "a b c", (0, 0, 1)),
        ("b a", "a b", (1, 1, 0)),  # as cheap as two substitutions, and one phone is right
        ("a a b", "a b", (1, 0, 0)),
        ("k i t e n", "s i t i n k", (0, 1, 2)),
    ],
)
def test_operations_known_by_hand(found: str, true: str, operations: tuple[int, int, int]) -> None:
    assert edit_operations(found.split(), true.split()) == operations


def test_planted_errors_are_counted() -> None:
    generator = np.random.default_rng(0)
    true = [f"r{index}" for index in range(600)]  # all different: no cheaper alignment exists
    fate = generator.choice(["keep", "drop", "swap", "add"], len(true), p=[0.7, 0.1, 0.1, 0.1])
    made = {"keep": lambda p: [p], "drop": lambda p: [], "swap": lambda p: ["x"], "add": lambda p: [p, "x"]}
    found = [phone for phone, what in zip(true, fate, strict=True) for phone in made[what](phone)]
    error = phone_error_rate({"a": found}, {"a": true})
    # A swap next to a drop or an addition may be told apart otherwise, never more cheaply by much.
    assert error.rate == pytest.approx((fate != "keep").mean(), abs=0.03)
    assert error.total["insertions"] - error.total["deletions"] == (fate == "add").sum() - (fate == "drop").sum()


WORDS = st.lists(st.sampled_from(["tak", "ki", "o", "takı", "oo"]), max_size=8)


@pytest.mark.parametrize(
    ("ours", "theirs"), [(phone_error_rate, jiwer.wer), (word_error_rate, jiwer.wer), (character_error_rate, jiwer.cer)]
)
@settings(max_examples=40, deadline=None)
@given(pairs=st.lists(st.tuples(WORDS, WORDS.filter(len)), min_size=1, max_size=6))
def test_the_rate_of_a_corpus_is_that_of_jiwer(
    pairs: list[tuple[list[str], list[str]]], ours: Callable, theirs: Callable
) -> None:
    found, true = ({str(index): pair[side] for index, pair in enumerate(pairs)} for side in (0, 1))
    lines = [[" ".join(words) for words in side.values()] for side in (true, found)]
    assert ours(found, true).rate == pytest.approx(theirs(*lines))


def test_silence_counts_on_neither_side() -> None:
    error = phone_error_rate({"a": ["<SIL>", "t", "<SIL>", "a"]}, {"a": ["t", "a", "<SIL>"]})
    assert error.rate == 0 and error.length_ratio == 1 and error.total["true"] == 2


def test_what_is_not_recognised_counts_as_deleted_and_what_has_no_truth_is_ignored() -> None:
    error = phone_error_rate({"a": ["t"], "extra": ["t"] * 9}, {"a": ["t"], "b": ["t", "a", "k"]})
    assert (error.total["deletions"], error.missing, len(error.counts), error.rate) == (3, 1, 2, 0.75)


@pytest.mark.parametrize(
    ("measure", "symbol"), [(phone_error_rate, "phone"), (word_error_rate, "word"), (character_error_rate, "character")]
)
def test_an_empty_truth_is_an_error(measure: Callable, symbol: str) -> None:
    with pytest.raises(WavuError, match=f"no {symbol}"):
        measure({"a": ["t"]}, {"a": []})


# How sure


def planted(n: int, chance: float, seed: int) -> ErrorRate:
    """Utterances of 5 to 40 symbols, each substituted by chance."""
    generator = np.random.default_rng(seed)
    true = generator.integers(5, 40, n)
    counts = np.zeros((n, 5), np.int64)
    counts[:, 2], counts[:, 3], counts[:, 4] = generator.binomial(true, chance), true, true
    return ErrorRate(counts, 0)


def test_the_interval_is_scipys() -> None:
    error = planted(60, 0.2, seed=1)
    errors, true = error.counts[:, :3].sum(axis=1), error.counts[:, 4]
    theirs = stats.bootstrap(
        (errors, true),
        lambda e, t, axis: e.sum(axis=axis) / t.sum(axis=axis),
        paired=True,
        method="percentile",
        n_resamples=4000,
        rng=np.random.default_rng(5),
    ).confidence_interval
    ours = interval(error, **BOOTSTRAP)
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.05 * (theirs.high - theirs.low))
    assert ours[0] < error.rate < ours[1]


def test_the_interval_holds_the_planted_rate_nineteen_times_in_twenty() -> None:
    inside = 0
    for seed in range(200):
        low, high = interval(planted(80, 0.2, seed), level=0.95, resamples=300, seed=seed)
        inside += low <= 0.2 <= high
    assert 180 <= inside <= 199


def test_a_higher_level_is_a_wider_interval_and_a_seed_gives_the_same_again() -> None:
    error = planted(40, 0.3, seed=0)
    narrow, wide = (interval(error, level=level, resamples=500, seed=0) for level in (0.5, 0.99))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
    assert interval(error, level=0.5, resamples=500, seed=0) == narrow != interval(error, level=0.5, resamples=500, seed=1)


def test_an_empty_utterance_does_no_harm() -> None:
    error = word_error_rate({"a": ["t"], "b": ["t"]}, {"a": [], "b": ["t"]})
    low, high = interval(error, **BOOTSTRAP)
    assert error.rate == 1.0 and low == 0.0 and np.isfinite(high)


# Which is better


def test_the_difference_is_scipys() -> None:
    ours, theirs = planted(60, 0.20, seed=1), planted(60, 0.23, seed=1)
    columns = (*(error.counts[:, :3].sum(axis=1) for error in (ours, theirs)), ours.counts[:, 4])
    known = stats.bootstrap(
        columns,
        lambda a, b, t, axis: (a.sum(axis=axis) - b.sum(axis=axis)) / t.sum(axis=axis),
        paired=True,
        method="percentile",
        n_resamples=4000,
        rng=np.random.default_rng(5),
    )
    low, high = known.confidence_interval
    found = compare(ours, theirs, **BOOTSTRAP)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.05 * (high - low))
    assert found.difference == pytest.approx(ours.rate - theirs.rate)
    assert found.better == pytest.approx((known.bootstrap_distribution < 0).mean(), abs=0.03)


def test_pairing_shows_what_two_intervals_hide() -> None:
    theirs = planted(200, 0.3, seed=3)
    ours = ErrorRate(theirs.counts.copy(), 0)
    ours.counts[:30, 2] = np.maximum(0, ours.counts[:30, 2] - 1)  # one error less in a few utterances
    assert interval(ours, **BOOTSTRAP)[1] > interval(theirs, **BOOTSTRAP)[0]  # overlap
    found = compare(ours, theirs, **BOOTSTRAP)
    assert found.high < 0 and found.better == 1.0
    back = compare(theirs, ours, **BOOTSTRAP)
    turned = (-found.difference, -found.high, -found.low, 0.0)
    assert (back.difference, back.low, back.high, back.better) == pytest.approx(turned)


def test_a_system_is_as_good_as_itself() -> None:
    error = planted(20, 0.3, seed=3)
    found = compare(error, error, **BOOTSTRAP)
    assert (found.difference, found.low, found.high, found.better) == (0, 0, 0, 0.5)


def test_other_utterances_cannot_be_compared() -> None:
    with pytest.raises(WavuError, match="same utterances"):
        compare(planted(20, 0.3, seed=3), planted(21, 0.3, seed=3), **BOOTSTRAP)
