"""The verdict is the line that the runs speak for, and tells ruined runs from good ones."""

import importlib.util
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from wavu.scoring import verdict
from wavu.scoring.verdict import judged
from wavu.store import read_table

SCRIPTS = Path(__file__).parents[2] / "scripts"


def test_the_numbers_are_those_of_the_runs() -> None:
    spec = importlib.util.spec_from_file_location("fit_verdict", SCRIPTS / "fit_verdict.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    line, per, predicted, later = module.fitted()
    np.testing.assert_allclose([verdict.BASE, verdict.OF_AGREEMENT, verdict.OF_DIVERGENCE], line, atol=6e-4)
    assert abs(verdict.ERROR - np.sqrt(np.mean((predicted - per)[later] ** 2))) < 6e-4
    assert len(per) >= 30 and roc_auc_score(per < 0.5, -predicted) >= 0.95  # none was fitted to itself


def test_another_languages_text_is_called_failed() -> None:
    runs = read_table(SCRIPTS / "verdict_runs.tsv", ["speech", "text", "per", "agreement", "divergence"])
    own = {"ljspeech": "en", "librispeech": "en", "kinyarwanda": "rw", "kerstin-de": "de"}
    wrong = [run for run in runs if not run["text"].startswith(own[run["speech"].split(",")[0]])]
    words = [judged(agreement=float(run["agreement"]), divergence=float(run["divergence"])).word for run in wrong]
    assert len(words) == 10 and set(words) == {"failed"}


@given(st.floats(0, 1), st.floats(0, 1))
def test_it_is_a_rate_and_falls_with_agreement(agreement: float, divergence: float) -> None:
    one, other = (judged(agreement=value, divergence=divergence).per for value in (agreement, min(1.0, agreement + 0.1)))
    assert 0 <= other <= one <= 1
