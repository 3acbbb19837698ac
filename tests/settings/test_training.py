"""How a network is trained is checked before any work."""

import pytest

from wavu.errors import WavuError
from wavu.settings.mistakes import checked
from wavu.settings.training import Training

LEAST = {"updates": 10, "rate": 1e-3}


def test_what_is_left_out_is_as_the_networks_of_the_house_were_trained() -> None:
    known = {
        "accumulate": 1,
        "warm_up": 0.1,
        "hold": 0.4,
        "final_rate": 0.05,
        "weight_decay": 0.01,
        "clip": 1.0,
        "precision": "no",
    }
    assert checked(Training, LEAST, command="x").plain() == LEAST | known


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"updates": 0}, "updates=0 must be at least 1"),
        ({"updates": 2.5}, "updates=2.5 must be a whole number"),
        ({"rate": 0}, "rate=0 must be above 0"),
        ({"rate": float("nan")}, "rate=nan must be a finite number"),
        ({"warm_up": 1.5}, "warm_up=1.5 must be at most 1"),
        ({"precision": "fp32"}, "precision=fp32 is unknown; give 'no', 'fp16' or 'bf16'"),
    ],
)
def test_what_cannot_be_trained_by_is_refused(changed: dict, told: str) -> None:
    with pytest.raises(WavuError, match=told):
        checked(Training, LEAST | changed, command="x")
