"""Runs of frames as what is heard, and times of words in them."""

from pathlib import Path

import numpy as np
import pytest

from tests.engines.toy import PHONES, front_end
from wavu.engines.engine import FramesEngine, heard_runs


def test_runs_are_heard_where_they_are_and_as_surely_as_their_frames() -> None:
    likely = np.log(np.where(np.eye(4)[[0, 0, 3, 2, 2, 2]], 0.91, 0.03))
    heard = heard_runs(PHONES, np.array([[0, 0, 2], [2, 3, 6]]), likely)
    assert heard.phones == ["t", "k"] and heard.times == pytest.approx(np.array([[0.0, 0.04], [0.06, 0.12]]))
    assert heard.confidence == pytest.approx(0.91) and heard.scores is None


def test_words_are_as_long_as_their_frames(hmm: FramesEngine, tmp_path: Path) -> None:
    from wavu.decode.words import Word

    assert hmm.times([Word(0, 2, 5, 1.0)], None) == pytest.approx(np.array([[0.04, 0.1]]))
    assert hmm.times([], None).shape == (0, 2) and hmm.topology() is not None
    deaf = FramesEngine(front_end(), PHONES[:3], lambda frames: iter(()))
    assert deaf.topology() is None and list(deaf.hear([])) == []
