"""A generator hears what is planted in its kernel."""

from pathlib import Path

import numpy as np
import pytest

from tests.engines.toy import FRAME, PHONES, encoded, front_end
from wavu.engines.generator import read_generator
from wavu.store import write_tensors
from wavu.units import HOP_SECONDS


@pytest.mark.parametrize(("about", "expected"), [({"hears": "frames", "stride": 2}, ["t", "a", "k"])])
def test_a_generator_that_strides_hears_frames(about: dict, expected: list[str], tmp_path: Path) -> None:
    kernel = np.zeros((1, 4, 4, 1), np.float32)
    kernel[0, :, :, 0] = 9 * FRAME
    ones = np.ones((1, 4), np.float32)
    tensors = {"gain": ones, "shift": 0 * ones, "linear": np.zeros((1, 4, 4), np.float32), "linear_bias": 0 * ones}
    tensors |= {"kernel": kernel, "head": np.zeros((1, 2, 4), np.float32), "head_bias": np.zeros((1, 2), np.float32)}
    tensors |= {"mean": 0 * ones, "variance": ones}
    write_tensors(tmp_path / "generator.safetensors", tensors, about | {"phones": PHONES, "cut": None})
    (heard,) = read_generator(tmp_path, front_end()).hear_frames(encoded("ttttaaaakk...."))
    assert heard.phones == expected and heard.scores is None
    assert heard.times == pytest.approx(np.array([[0, 4], [4, 8], [8, 10]]) * HOP_SECONDS) and heard.confidence.min() > 0.95
