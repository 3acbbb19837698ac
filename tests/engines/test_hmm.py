"""An HMM hears what is planted in its units."""

from pathlib import Path

import numpy as np
import pytest

from tests.engines.toy import encoded, front_end
from wavu.engines.engine import FramesEngine
from wavu.engines.hmm import read_hmm
from wavu.store import read_tensors, write_tensors
from wavu.units import HOP_SECONDS


def test_an_hmm_hears_its_units(hmm: FramesEngine) -> None:
    one, two = hmm.hear_frames(encoded("..tttaaaakkk..", "kkk"))
    assert one.phones == ["t", "a", "k"] and one.times == pytest.approx(np.array([[2, 5], [5, 9], [9, 12]]) * HOP_SECONDS)
    assert two.phones == ["k"] and one.scores.shape == (14, 8)
    # Each of two sub-states likes its unit 97 times as much as another phone's do.
    assert one.confidence == pytest.approx(0.97, abs=1e-3)


def test_confidence_falls_where_other_phones_sound(hmm: FramesEngine) -> None:
    (clear,), (torn,) = ([*hmm.hear_frames(encoded(line))] for line in ("aaaaaa", "aakaaa"))
    assert torn.phones == ["a"] and torn.confidence[0] < clear.confidence[0] - 0.01


def test_sounds_count_less_where_the_search_believes_them_less(hmm: FramesEngine, tmp_path: Path) -> None:
    tensors, about = read_tensors(tmp_path / "hmm.safetensors")
    write_tensors(tmp_path / "hmm.safetensors", tensors, about | {"grammar_weight": 3.0})
    (heard,) = read_hmm(tmp_path, front_end()).hear_frames(encoded("aaaa"))
    assert heard.confidence == pytest.approx(97 ** (1 / 3) / (97 ** (1 / 3) + 3), abs=1e-3)
