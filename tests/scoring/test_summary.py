"""Rates as they are shown: of what both sides have, with intervals, one system beside another."""

import jiwer
import pytest

from wavu.errors import WavuError
from wavu.scoring.summary import compared, described, error_rates

TRUE = {"phones": {"a": ["t", "a"], "b": ["k", "i"]}, "words": {"a": ["ta"], "b": ["ki", "o"]}}
FOUND = {"phones": {"a": ["t", "o"], "b": ["k", "i"]}, "words": {"a": ["to"], "b": ["ki"]}}
BOOTSTRAP = {"level": 0.9, "resamples": 200, "seed": 0}


def test_all_that_both_sides_have_is_scored() -> None:
    rates = error_rates(FOUND, TRUE)
    assert {name: error.rate for name, error in rates.items()} == {
        "PER": 1 / 4,
        "WER": pytest.approx(jiwer.wer(["ta", "ki o"], ["to", "ki"])),
        "CER": pytest.approx(jiwer.cer(["ta", "ki o"], ["to", "ki"])),
    }
    assert list(error_rates({"phones": FOUND["phones"]}, TRUE)) == ["PER"]


def test_a_rate_lies_within_its_interval_and_adds_up() -> None:
    per = described(error_rates(FOUND, TRUE), **BOOTSTRAP)["PER"]
    assert per["low"] <= per["rate"] <= per["high"]
    assert per["rate"] == (per["insertions"] + per["deletions"] + per["substitutions"]) / per["true"]
    assert (per["utterances"], per["missing"], per["length_ratio"]) == (2, 0, 1.0)


def test_systems_are_compared_in_what_both_have() -> None:
    best, worse = error_rates(TRUE, TRUE), error_rates(FOUND, TRUE)
    both = compared({"PER": best["PER"]}, worse, **BOOTSTRAP)
    assert list(both) == ["PER"] and (both["PER"]["rate"], both["PER"]["baseline"]) == (0.0, 0.25)
    with pytest.raises(WavuError, match="baseline has WER, the hypotheses have PER; nothing can be compared"):
        compared({"PER": best["PER"]}, {"WER": worse["WER"]}, **BOOTSTRAP)
