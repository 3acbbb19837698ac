"""What evaluate and report are given where nobody says anything; what they refuse."""

import pytest

from wavu.command import composed
from wavu.errors import WavuError
from wavu.settings.scoring import Evaluate, Report

BOOTSTRAP = {"level": 0.95, "resamples": 1000, "seed": 0}


def test_both_resample_alike() -> None:
    evaluate = composed("evaluate", Evaluate, ["hypotheses=h", "references=r"])
    assert evaluate.bootstrap.plain() == composed("report", Report, ["run=r"]).bootstrap.plain() == BOOTSTRAP


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("", "give hypotheses= and references=, or alignments="),
        ("hypotheses=a", "hypotheses= and references= go together"),
        ("references=a", "hypotheses= and references= go together"),
        ("baseline=a alignments=a codes=a", "baseline= goes together with"),
        ("alignments=a", "alignments= goes together with"),
        ("codes=a", "alignments= goes together with"),
        ("alignments=a times=b tolerance_ms=0", "tolerance_ms=0 must be above 0"),
        ("alignments=a times=b worst=-1", "worst=-1 must be at least 0"),
    ],
)
def test_what_does_not_go_together_is_refused(given: str, told: str) -> None:
    with pytest.raises(WavuError, match=f"^{told}"):
        composed("evaluate", Evaluate, given.split())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("examples=-1", "at least 0"),
        ("worst=0.5", "a whole number"),
        ("seconds=0", "above 0"),
        ("bootstrap.level=1", "below 1"),
        ("bootstrap.seed=-1", "at least 0"),
    ],
)
def test_a_report_has_numbers_of_utterances_and_seconds(change: str, told: str) -> None:
    with pytest.raises(WavuError, match=f"{change} must be {told}"):
        composed("report", Report, ["run=r", change])
