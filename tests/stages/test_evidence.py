"""Evidence that needs no truth is higher for better labels."""

from pathlib import Path

import numpy as np
import pytest

from tests.stages.toy_hmm import EVIDENCE, GAUSSIANS, frame_labels, toy_task
from wavu.decipher.hmm import cut
from wavu.stages.evidence import evidence_of, gaussians_of


@pytest.mark.parametrize(("by", "apart"), [("likelihood", 0.1), ("agreement", 0.01)])
def test_evidence_is_higher_for_better_labels(made: Path, by: str, apart: float) -> None:
    task, settings = toy_task(made), EVIDENCE | {"by": by, "gaussians": GAUSSIANS, "seed": 0}
    found = [evidence_of(cut(frame_labels(share), 2), task, **settings) for share in (0.0, 0.1, 0.2, 0.4, 0.8)]
    assert (np.diff(found) < -apart).all()


def test_gaussians_hear_what_they_learned(made: Path) -> None:
    task = toy_task(made)
    model = gaussians_of(cut(frame_labels(), 2), task, GAUSSIANS)
    heard = model.log_likelihood(task.speech.frames).argmax(1).numpy() // 2
    assert (heard == frame_labels().flat).mean() > 0.95
