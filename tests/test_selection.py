"""The label-free score: right phones score better than wrong ones, and failures are called by their names."""

import numpy as np
import pytest

from tests.gan.toy import PHONES, bigram, spoil, toy_speech, toy_text
from wavu.gan.runs import spoken
from wavu.selection import Judge, best, divergence, perplexity
from wavu.store import Ragged
from wavu.text.silence import phones_of

SILENCE = len(PHONES) - 1


@pytest.fixture(scope="module")
def judge() -> Judge:
    text = toy_text(600, 0)
    return Judge.of(phones_of(text), phones=len(PHONES), log10_probability=bigram(text), sample=2000, seed=0)


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
    assert perplexity(lines, lambda rows: (rows.lengths + 1) * np.log10(1 / 8)) == pytest.approx(8)


def test_divergence_against_its_formula() -> None:
    p, q = np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.25, 0.5])
    entropy = lambda x: -sum(v * np.log2(v) for v in x if v)  # noqa: E731
    assert divergence(p, q) == pytest.approx(entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2)
    assert divergence(p, p) == 0


def test_the_best_row_is_the_lowest_and_the_earliest() -> None:
    rows = [{"score": 2.0, "update": 0}, {"score": 1.0, "update": 1}, {"score": 1.0, "update": 2}]
    assert best(rows)["update"] == 1
