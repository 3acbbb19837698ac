"""Turns repair labels; one that explains less is the last."""

from pathlib import Path

import numpy as np
import pytest

from tests.stages.toy_hmm import EVIDENCE, GAUSSIANS, WORDS, frame_labels, toy_task
from wavu.decipher.hmm import cut
from wavu.stages import turns
from wavu.stages.evidence import gaussians_of
from wavu.stages.turns import Turn, all_turns, confidence

SETTINGS = {
    "hmm": {"iterations": 3, "smoothing": 10.0}, "gaussians": GAUSSIANS, "search": "phones", "words": WORDS, "evidence": EVIDENCE, "seed": 0,
    "tuning": {
        "utterances": 20, "least_disagreement": 0.1, "words": {"acoustic_scale": [0.1, 0.2]}, "phones": {"grammar_weight": [1.0, 3.0], "phone_bonus": [0.0]},
    },
}  # fmt: skip


@pytest.mark.parametrize("through_units", [True, False])
@pytest.mark.parametrize("search", ["words", "phones"])
def test_wrong_labels_become_right(made: Path, tmp_path: Path, search: str, through_units: bool) -> None:
    task = toy_task(made, 0.2, through_units=through_units)
    found, weights = all_turns(task, tmp_path, **SETTINGS | {"search": search})
    assert [turn.name for turn in found[:2]] == ["units" if through_units else "segments", "gaussians 1"]
    best = max(found, key=lambda turn: turn.evidence)
    assert (best.states.flat // 2 == frame_labels().flat).mean() > (0.97 if search == "words" else 0.85)
    assert weights.keys() == ({"words", "phones"} if search == "words" else {"phones"})


def test_a_turn_that_explains_less_is_the_last(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter([-5.0, -4.0, -4.5, -3.0])
    monkeypatch.setattr(turns, "evidence_of", lambda states, **settings: next(told))
    found, _ = all_turns(toy_task(made), tmp_path, **SETTINGS | {"gaussians": GAUSSIANS | {"turns": 3}})
    assert [(turn.name, turn.evidence) for turn in found] == [("units", -5.0), ("gaussians 1", -4.0), ("gaussians 2", -4.5)]


def test_the_sure_are_right_more_often(made: Path) -> None:
    task, truth = toy_task(made), frame_labels()
    model, wrong = gaussians_of(cut(truth, 2), task, GAUSSIANS), frame_labels(0.3)
    sure = confidence(Turn("x", model, task.speech.frames, cut(wrong, 2), 0.0), task, 1.0)
    right = np.array([(one == other).mean() for one, other in zip(wrong, truth, strict=True)])
    assert sure.shape == (len(truth),) and (sure >= 0).all() and (sure <= 1).all()
    order = np.argsort(-sure)
    assert right[order[:50]].mean() > right[order[-50:]].mean() + 0.1
