"""The label-free score: right phones score better than wrong ones, and failures are called by their names."""

import math
from collections import Counter
from dataclasses import replace

import jiwer
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from tests.gan.toy import PHONES, bigram, spoil, toy_speech, toy_text
from wavu.errors import WavuError
from wavu.gan.runs import spoken
from wavu.ragged import Ragged
from wavu.selection import (
    ORDERS,
    TERMS,
    Judge,
    agreement,
    combine,
    disagreement,
    divergence,
    perplexity,
    tuning_score,
    weighted_perplexity_per_batch,
)
from wavu.text.silence import phones_of
from wavu.training import best

SILENCE = len(PHONES) - 1
PRESENT = {"weighted_lm_perplexity": 1.0, "jsd1": 1 / 3, "jsd2": 1 / 3, "jsd3": 1 / 3}
HEALTHY = {"discriminator/made_up": 0.5, "discriminator/real": 0.6, "generator/passes": 1.1}

phone_rows = st.lists(st.lists(st.integers(0, 4), max_size=7), min_size=1, max_size=6)


def ragged(rows: list[list[int]]) -> Ragged:
    return Ragged.of([np.array(row, int) for row in rows], np.int16)


def fair_die(lines: Ragged) -> np.ndarray:
    """log10 probability of lines of which each phone, and the end, has probability 1 / 8."""
    return (lines.lengths + 1) * np.log10(1 / 8)


@pytest.fixture(scope="module")
def judge() -> Judge:
    text = toy_text(600, 0)
    return Judge.of(
        phones_of(text),
        phones=len(PHONES),
        log10_probability=bigram(text),
        sample=2000,
        seed=0,
        phones_per_second=None,
        weights=PRESENT,
    )


@pytest.fixture(scope="module")
def truth() -> Ragged:
    return toy_speech(200, 0)[1]


def score(judge: Judge, labels: Ragged, seconds_per_segment: float = 0.08) -> dict:
    return judge.score(spoken(labels, SILENCE), seconds=seconds_per_segment * len(labels.flat))


def test_more_errors_score_worse(judge: Judge, truth: Ragged) -> None:
    scores = [score(judge, spoil(truth, share, 1))["score"] for share in (0.0, 0.1, 0.2, 0.4, 0.8)]
    assert scores == sorted(scores) and scores[1] - scores[0] > 0.05


def test_right_phones_are_trusted(judge: Judge, truth: Ragged) -> None:
    scores = score(judge, spoil(truth, 0.05, 1))
    assert judge.suspect(scores) is None
    assert scores["vocabulary_used"] == 1 and scores["jsd1"] < 0.01 and scores["lm_perplexity"] < 1.2 * judge.text_perplexity


def test_permuted_phones_are_suspected(judge: Judge, truth: Ragged) -> None:
    permuted = Ragged(np.array([1, 2, 3, 4, 0, 5], np.int16)[truth.flat], truth.offsets)
    assert "phone order unlike the text's" in judge.suspect(score(judge, permuted))


def test_collapse_is_named_with_the_phones_left(judge: Judge, truth: Ragged) -> None:
    two = Ragged(np.where(truth.flat == SILENCE, SILENCE, truth.flat % 2).astype(np.int16), truth.offsets)
    assert judge.suspect(score(judge, two)).startswith("collapsed: 2 of 5 phones used")


def test_silence_alone_is_suspected_not_a_crash(judge: Judge, truth: Ragged) -> None:
    mute = Ragged(np.full(len(truth.flat), SILENCE, np.int16), truth.offsets)
    scores = score(judge, mute)
    assert scores["score"] == float("inf") and "0 of 5 phones used" in judge.suspect(scores)


def test_too_fast_for_people(judge: Judge, truth: Ragged) -> None:
    assert "phones per second" in judge.suspect(score(judge, truth, seconds_per_segment=0.02))


def test_perplexity_of_a_fair_die_is_its_sides() -> None:
    lines = Ragged.of([np.arange(3), np.arange(5)], np.int16)
    assert perplexity(lines, fair_die) == pytest.approx(8)


# The divergence of n-grams


@given(seed=st.integers(0, 10_000), size=st.integers(2, 30))
@settings(max_examples=20, deadline=None)
def test_divergence_is_that_of_scipy(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    p, q = rng.dirichlet(np.full(size, 0.1), 2)
    p, q = p.round(2) / p.round(2).sum(), q.round(2) / q.round(2).sum()  # with zeros
    assert divergence(p, q) == pytest.approx(jensenshannon(p, q, base=2) ** 2, abs=1e-9)


@given(text=phone_rows, said=phone_rows)
@settings(max_examples=60, deadline=None)
def test_divergences_of_ngrams_are_those_of_scipy(text: list[list[int]], said: list[list[int]]) -> None:
    judge = Judge.of(
        ragged(text), phones=6, log10_probability=fair_die, sample=10, seed=0, phones_per_second=None, weights=PRESENT
    )
    row = judge.score(ragged(said), seconds=1.0)
    for n in ORDERS:
        counts = [
            Counter(tuple(line[at : at + n]) for line in lines for at in range(len(line) - n + 1)) for lines in (text, said)
        ]
        if all(counts):
            p, q = np.array([[count[key] for key in counts[0] | counts[1]] for count in counts], float)
            assert row[f"jsd{n}"] == pytest.approx(jensenshannon(p, q, base=2) ** 2, abs=1e-9)
        else:
            assert row[f"jsd{n}"] == (1 if any(counts) else 0)
    assert row["jsd"] == pytest.approx(np.mean([row[f"jsd{n}"] for n in ORDERS]))


# The length ratio


def test_length_is_compared_with_what_is_expected(judge: Judge, truth: Ragged) -> None:
    plain = score(judge, truth)
    assert plain["length_ratio"] == 1
    rate = plain["phones_per_second"]
    doubled = score(replace(judge, phones_per_second=rate / 2), truth)
    assert doubled["length_ratio"] == pytest.approx(2)
    halved = score(replace(judge, phones_per_second=rate * 2), truth)
    for row in (doubled, halved):
        assert combine([row], {"length_ratio": 3.0})[0] == pytest.approx(3 * np.log(2))
    assert combine([plain], {"length_ratio": 3.0})[0] == 0


# Agreement


def plain_agreement(labels: list[list[int]], silence: int) -> list[float]:
    means = []
    for member, one in enumerate(labels):
        shares = []
        for other in labels[:member] + labels[member + 1 :]:
            spoken_by_any = [(a, b) for a, b in zip(one, other, strict=True) if a != silence or b != silence]
            shares.append(sum(a == b for a, b in spoken_by_any) / len(spoken_by_any) if spoken_by_any else 0.0)
        means.append(sum(shares) / len(shares))
    return means


@given(seed=st.integers(0, 10_000), members=st.integers(2, 6), phones=st.integers(1, 4), segments=st.integers(0, 30))
@settings(max_examples=40, deadline=None)
def test_agreement_is_counted_segment_by_segment(seed: int, members: int, phones: int, segments: int) -> None:
    drawn = np.random.default_rng(seed).integers(0, phones, (members, segments)).astype(np.int16)
    labels = [Ragged(row, np.array([0, segments // 2, segments])) for row in drawn]
    assert agreement(labels, phones - 1) == pytest.approx(plain_agreement(drawn.tolist(), phones - 1))


def test_better_members_agree_more(truth: Ragged) -> None:
    found = agreement([spoil(truth, share, seed) for seed, share in enumerate((0.05, 0.1, 0.2, 0.4, 0.8))], SILENCE)
    assert (np.diff(found) < 0).all()
    assert (agreement([truth] * 3, SILENCE) == 1).all()


def test_one_alone_agrees_with_nobody_and_is_not_blamed(truth: Ragged) -> None:
    (alone,) = agreement([truth], SILENCE)
    assert np.isnan(alone)
    assert combine([{"agreement": alone, "jsd": 0.5}], {"agreement": 1.0, "jsd": 1.0})[0] == 0.5


# The score


def test_the_score_of_text_alone_is_perplexity_and_divergence(judge: Judge, truth: Ragged) -> None:
    row = score(judge, spoil(truth, 0.3, 1))
    by_hand = np.log(row["lm_perplexity"] / row["vocabulary_used"] ** 2) + np.mean([row[f"jsd{n}"] for n in (1, 2, 3)])
    assert row["score"] == pytest.approx(by_hand, abs=1e-12) == combine([row], PRESENT)[0]
    assert row["score"] == pytest.approx(combine([row], {**PRESENT, "vocabulary_used": 1.0})[0])  # all phones are used


def test_what_was_measured_elsewhere_is_part_of_the_score(judge: Judge, truth: Ragged) -> None:
    judge = replace(judge, weights={"jsd": 2.0, "agreement": 0.5, "log_likelihood": 1.5, "length_ratio": 0})
    row = judge.score(spoken(truth, SILENCE), seconds=60.0, agreement=0.8, log_likelihood=-3.0)
    assert row["agreement"] == 0.8 and row["log_likelihood"] == -3
    assert row["score"] == pytest.approx(2 * row["jsd"] + 0.5 * 0.2 + 1.5 * 3)


@given(seed=st.integers(0, 10_000), weights=st.dictionaries(st.sampled_from(sorted(TERMS)), st.floats(0.1, 5.0), min_size=1))
@settings(max_examples=30, deadline=None)
def test_a_score_depends_on_no_other_row(seed: int, weights: dict) -> None:
    drawn = np.random.default_rng(seed).uniform(0.01, 2.0, (5, len(TERMS)))
    rows = [dict(zip(TERMS, values, strict=True)) for values in drawn.tolist()]
    together = combine(rows, weights)
    assert together.tolist() == [combine([row], weights)[0] for row in rows]
    each = [[combine([row], {name: 1.0})[0] for name in weights] for row in rows]
    assert together == pytest.approx(np.array(each) @ list(weights.values()), abs=1e-9)


@pytest.mark.parametrize("name", TERMS)
def test_each_measure_is_better_in_the_right_direction(name: str, judge: Judge, truth: Ragged) -> None:
    """Of labels with ever more errors. The number of phones in them barely changes."""
    judge, others = replace(judge, weights={name: 1.0}), [spoil(truth, 0.1, seed) for seed in (2, 3)]
    terms = []
    for share in (0.0, 0.3, 0.9):
        labels = spoil(truth, share, 1)
        lines = spoken(labels, SILENCE)
        if name == "vocabulary_used":  # noise uses all phones: take them away instead
            lines = lines.keep(lines.flat >= 5 * share)
        if name == "length_ratio":
            judge = replace(judge, phones_per_second=len(lines.flat) / 60 * (1 + share))
        measured = {
            "agreement": agreement([labels, *others], SILENCE)[0],
            "log_likelihood": -3 - share,
            "weighted_perplexity_per_batch": weighted_perplexity_per_batch(lines, 20, judge.log10_probability, len(PHONES)),
        }
        terms.append(judge.score(lines, seconds=60.0, **measured)["score"])
    assert (np.diff(terms) > 0).all()


def test_what_weighs_nothing_need_not_be_known() -> None:
    row = {"jsd": 0.5, "lm_perplexity": math.inf}
    assert combine([row], {"jsd": 2.0, "lm_perplexity": 0, "agreement": 0.0})[0] == 1


def test_what_is_not_a_number_wins_nothing() -> None:
    rows = [{"jsd": math.nan, "lm_perplexity": 0.0}, {"jsd": 0.9, "lm_perplexity": 1e9}, {"jsd": math.inf, "lm_perplexity": 0.0}]
    scores = combine(rows, {"jsd": 1.0, "lm_perplexity": 1.0})
    assert np.isposinf(scores[[0, 2]]).all() and np.isfinite(scores[1])
    assert best([{**row, "score": value} for row, value in zip(rows, scores, strict=True)])["jsd"] == 0.9


def test_what_was_not_measured_cannot_be_weighed() -> None:
    with pytest.raises(WavuError, match="selection weighs 'agreement', which was not measured here; set its weight to 0"):
        combine([{"jsd": 0.5}], {"agreement": 1.0})


# Reasons


def test_a_rate_far_from_the_expected_is_called_by_its_factor(judge: Judge, truth: Ragged) -> None:
    rate = score(judge, truth)["phones_per_second"]
    for expected, words in ((rate, None), (rate / 1.5, None), (rate / 2, "2 x the"), (rate * 2, "0.5 x the")):
        judge = replace(judge, phones_per_second=expected)
        found = judge.suspect(score(judge, truth))
        assert found is None if words is None else f"phones per second, {words} {expected:.1f} expected" in found
    # Where the rate is known, what people usually do is no reason.
    slow = replace(judge, phones_per_second=1.0)
    assert slow.suspect(score(slow, truth, seconds_per_segment=0.08 * rate)) is None


def test_a_discriminator_that_wins_is_called(judge: Judge, truth: Ragged) -> None:
    scores = score(judge, truth)
    assert judge.suspect(scores, HEALTHY) is None
    sure = {"discriminator/made_up": 0.05, "discriminator/real": 0.07, "generator/passes": 3.14, "generator/diversity": 0.2}
    assert judge.suspect(scores, sure) == "the discriminator wins: its losses are 0.05 and 0.07, the generator's 3.1"
    for name, value in HEALTHY.items():  # all three must be bad
        assert judge.suspect(scores, {**sure, name: value}) is None
        assert judge.suspect(scores, {key: loss for key, loss in sure.items() if key != name}) is None  # not moved yet


def test_what_is_not_finite_is_called_first(judge: Judge, truth: Ragged) -> None:
    two = Ragged(np.where(truth.flat == SILENCE, SILENCE, truth.flat % 2).astype(np.int16), truth.offsets)
    found = judge.suspect(score(judge, two), {**HEALTHY, "generator/passes": math.nan, "discriminator/real": math.inf})
    assert found.startswith("training broke down: discriminator/real, generator/passes not finite; collapsed: 2 of 5 phones used")


# The original's criterion


@given(rows=phone_rows, batch_size=st.integers(1, 7))
@settings(max_examples=40, deadline=None)
def test_the_originals_criterion_counts_phones_batch_by_batch(rows: list[list[int]], batch_size: int) -> None:
    said, log10, shares = 0, 0.0, []
    for at in range(0, len(rows), batch_size):
        seen = set()
        for row in rows[at : at + batch_size]:
            said, log10, seen = said + len(row), log10 + (len(row) + 1) * math.log10(1 / 8), seen | set(row)
        if seen:
            shares.append(len(seen) / 6)
    by_hand = 10 ** (-log10 / (said + len(rows))) / (sum(shares) / len(shares)) ** 2 if shares else math.inf
    assert weighted_perplexity_per_batch(ragged(rows), batch_size, fair_die, 6) == pytest.approx(by_hand)


def test_the_originals_criterion_never_sees_all_phones() -> None:
    """Silence counts among the phones that could be used, but is not there; the short last batch counts as much as the others."""
    lines = ragged([[0, 1, 2, 3, 4], [0, 1, 2, 3, 4], [0]])
    assert weighted_perplexity_per_batch(lines, 3, fair_die, 6) == pytest.approx(8 / (5 / 6) ** 2)
    assert weighted_perplexity_per_batch(lines, 2, fair_die, 6) == pytest.approx(8 / ((5 / 6 + 1 / 6) / 2) ** 2)


def test_the_best_row_is_the_lowest_and_the_earliest() -> None:
    rows = [{"score": 2.0, "update": 0}, {"score": 1.0, "update": 1}, {"score": 1.0, "update": 2}]
    assert best(rows)["update"] == 1


def test_disagreement_is_the_error_rate_against_the_labels() -> None:
    rng = np.random.default_rng(0)
    said, labels = ([rng.integers(0, 5, size=rng.integers(1, 12)) for _ in range(40)] for _ in range(2))
    expected = jiwer.wer([" ".join(map(str, row)) for row in labels], [" ".join(map(str, row)) for row in said])
    assert disagreement(Ragged.of(said, np.int16), Ragged.of(labels, np.int16)) == pytest.approx(expected)


def test_the_tuning_score_is_lowest_between_too_little_and_too_much_trust_in_the_language_model() -> None:
    floors = {"least_perplexity": 4.0, "least_disagreement": 0.02}
    too_little, right, too_much = (tuning_score(*pair, **floors) for pair in ((9.0, 0.05), (4.5, 0.06), (3.0, 0.4)))
    assert right < too_little < too_much
    # Neither repeating the labels nor babbling wins below the floors.
    assert tuning_score(9.0, 0.0, **floors) == tuning_score(9.0, 0.02, **floors) > 0
    assert tuning_score(1.0, 0.5, **floors) == tuning_score(4.0, 0.5, **floors) > 0
