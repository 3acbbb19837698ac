"""Measures of units against strangers' arithmetic, and what they say of units that know the phones and of units that do not."""

import numpy as np
import pytest
import torch
from sklearn.metrics import mutual_info_score

from tests.decipher.test_search import TEMPI, UNITS, V, sentences, speech
from wavu.decipher.measures import known, usage, worth
from wavu.decipher.search import Matcher, decipher
from wavu.ragged import Ragged


def matcher_of(units: Ragged) -> Matcher:
    return Matcher(
        units, n_units=UNITS, lags=[4, 6, 8, 10, 13, 17, 22], positions=30, longest_silence=5, regularity=15.0,
        restarts=2, steps=100, learning_rate=0.1, seed=0,
    )  # fmt: skip


def measured(units: Ragged) -> tuple[dict, Ragged, Ragged]:
    lines, matcher = sentences(2, 0.4), matcher_of(units)
    found = decipher(
        units, [lines], matcher=matcher, n_phones=V, frames_per_phone=TEMPI[1:2], frames_per_silence=7.0, rounds=1, order=2,
        states=2, iterations=3, smoothing=5.0, report=lambda note: None,
    )  # fmt: skip
    return worth(found, units, lines, matcher=matcher, generator=np.random.default_rng(0))


def spoiled(units: Ragged, share: float) -> Ragged:
    rng = np.random.default_rng(7)
    return Ragged(np.where(rng.random(len(units.flat)) < share, rng.permutation(units.flat), units.flat), units.offsets)


def test_usage_by_hand() -> None:
    units = Ragged.of([np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0])], np.int16)
    assert usage(units, n_units=5) == pytest.approx({"perplexity": 2.0, "runs_per_second": 4 / (8 * 0.02)})


def test_known_is_the_mutual_information_of_scikit_learn() -> None:
    phones, units = np.random.default_rng(0).integers(0, 5, (2, 400)) // [[1], [2]]
    units = units + 3 * (phones == 2)
    entropy = mutual_info_score(phones, phones)
    assert known(phones, units) == pytest.approx(mutual_info_score(phones, units) / entropy)
    assert known(phones, phones) == pytest.approx(1) and known(np.zeros(9, int), np.arange(9)) == 0


def test_the_less_units_know_the_lower_they_score_and_noise_is_worth_nothing() -> None:
    units, labels = speech()
    rows = [measured(spoiled(units, share))[0] for share in (0.0, 0.4, 1.0)]
    for name in ("score", "known", "matched"):
        assert rows[0][name] > 1.2 * rows[1][name] > 1.2 * rows[2][name], name
    assert abs(rows[2]["matched"]) < 0.02 and rows[2]["order"] < 0.5 * rows[0]["order"]
    assert rows[0]["score"] == pytest.approx(rows[0]["known"] * rows[0]["order"])
    real = np.count_nonzero(labels.run_starts() & (labels.flat != V - 1)) / (len(labels.flat) * 0.02)
    assert rows[0]["phones_per_second"] == pytest.approx(real, rel=0.1)


def test_what_is_said_has_no_silence() -> None:
    _, said, heard = measured(speech()[0])
    assert len(said) == len(heard) == 300 and max(said.flat.max(), heard.flat.max()) < V - 1


def test_surprise_by_frequency_is_that_of_independent_frames() -> None:
    matcher = matcher_of(speech()[0])
    log, heard = torch.log(matcher.frequency), matcher.heard
    pairs = -(heard.pairs * (log[:, None] + log)).sum((1, 2)).mean()
    ends = -(heard.ends * log).sum(-1).mean(-1).sum()
    assert matcher.surprise_by_frequency() == pytest.approx((pairs + ends / 2).item(), abs=1e-4)
