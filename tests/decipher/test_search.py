"""A toy language that nobody transcribed is deciphered, with the pauses and the tempo it was planted with."""

import numpy as np
import pytest

from tests.gan.toy import PHONES, toy_text
from wavu.decipher import hmm
from wavu.decipher.matching import speak
from wavu.decipher.search import Deciphered, Matcher, decipher, durations_heard, n_reports
from wavu.decipher.viterbi import decode
from wavu.ragged import Ragged
from wavu.text.silence import with_silence

V, UNITS = len(PHONES), 3 * len(PHONES)
DURATIONS = np.array([5.0, 4.0, 5.0, 6.0, 5.0, 9.0])  # frames of each phone
PAUSES = [0.0, 0.4]  # guesses: after what share of the words; the second is right
TEMPI = [4.0, 5.2, 7.0]  # guesses; the second is next to right


def sentences(seed: int, pauses: float) -> Ragged:
    return with_silence(toy_text(300, seed), probability=pauses, surround=False, generator=np.random.default_rng(seed))


def speech() -> tuple[Ragged, Ragged]:
    """Units (N), three in four of them one of the three of their phone, and phones (N)."""
    rng = np.random.default_rng(5)
    labels = speak(sentences(1, PAUSES[1]), DURATIONS, regularity=15.0, generator=rng)
    own = 3 * labels.flat + rng.choice(3, len(labels.flat), p=[0.5, 0.3, 0.2])
    units = np.where(rng.random(len(labels.flat)) < 0.75, own, rng.integers(0, UNITS, len(labels.flat)))
    return Ragged(units, labels.offsets), labels


def solve(units: Ragged, reports: list[str]) -> Deciphered:
    matcher = Matcher(
        units, n_units=UNITS, lags=[4, 6, 8, 10, 13, 17, 22], positions=30, longest_silence=5, regularity=15.0,
        restarts=2, steps=150, learning_rate=0.1, seed=0,
    )  # fmt: skip
    return decipher(
        units, [sentences(2, pauses) for pauses in PAUSES], matcher=matcher, n_phones=V, frames_per_phone=TEMPI,
        frames_per_silence=7.0, rounds=2, order=3, states=2, iterations=3, smoothing=5.0, report=reports.append,
    )  # fmt: skip


@pytest.fixture(scope="module")
def solved() -> tuple[Deciphered, list[str], Ragged, Ragged]:
    units, labels = speech()
    reports: list[str] = []
    return solve(units, reports), reports, units, labels


def test_the_phones_are_found(solved: tuple[Deciphered, list[str], Ragged, Ragged]) -> None:
    found, _, units, labels = solved
    decoded = decode(found.best.model, found.grammar, units, grammar_weight=1.0)
    assert (decoded.flat == labels.flat).mean() > 0.85
    matched = decode(found.best.matched, found.grammar, units, grammar_weight=1.0)
    assert (matched.flat == labels.flat).mean() > 0.6


def test_pauses_and_tempo_are_found(solved: tuple[Deciphered, list[str], Ragged, Ragged]) -> None:
    found = solved[0]
    assert PAUSES[found.text] == 0.4
    assert (found.rounds[0].frames_per_phone[:-1] == 5.2).all()
    assert np.abs(found.rounds[1].frames_per_phone - DURATIONS).max() < 0.8


def test_the_best_round_is_the_likeliest_and_all_is_reported(solved: tuple[Deciphered, list[str], Ragged, Ragged]) -> None:
    found, reports, *_ = solved
    assert found.best.log_likelihood == max(turn.log_likelihood for turn in found.rounds) and len(found.rounds) == 2
    assert len(reports) == n_reports(guesses=len(PAUSES) * len(TEMPI), rounds=2, iterations=3)
    assert all(turn.surprise == sorted(turn.surprise) and len(turn.surprise) == 2 for turn in found.rounds)


def test_one_seed_is_one_answer(solved: tuple[Deciphered, list[str], Ragged, Ragged]) -> None:
    found, _, units, _ = solved
    again = solve(units, [])
    for name, array in hmm.packed(found.best.model, found.grammar).items():
        assert np.array_equal(array, hmm.packed(again.best.model, again.grammar)[name]), name


def test_durations_are_those_of_runs_and_of_five_more() -> None:
    labels = Ragged.of([np.array([0, 0, 0, 1]), np.array([1, 1, 1]), np.array([0])], np.int16)
    assert durations_heard(labels, np.array([2.0, 4.0, 8.0])).tolist() == [(4 + 10) / 7, (4 + 20) / 7, 8.0]
