"""What is wrong is said in one line, whatever it is; tests/test_command.py has the lines themselves."""

from typing import Annotated, Literal

import pytest
from pydantic import Field, model_validator

from wavu.errors import WavuError
from wavu.settings.base import Count, Settings, Share
from wavu.settings.mistakes import checked, nearest


class Small(Settings):
    kind: Literal["small"]
    oil: Share


class Large(Settings):
    kind: Literal["large"]
    doors: Annotated[list[Count], Field(min_length=1, max_length=2)]


class Toy(Settings):
    engine: Annotated[Small | Large, Field(discriminator="kind")]
    grid: dict[str, Count] | None
    seed: Count

    @model_validator(mode="after")
    def _lucky(self) -> "Toy":
        if self.seed == 13:
            raise ValueError("seed=13 brings no luck; give another")
        return self


RIGHT = {"engine": {"kind": "small", "oil": 0.5}, "grid": None, "seed": 1}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seed": 13}, "seed=13 brings no luck; give another"),
        ({"sead": 1}, "unknown setting 'sead' (did you mean 'seed'?); see python -m wavu.toy --help"),
        ({"engine": {"kind": "small", "oyl": 1, "oil": 1}}, "unknown setting 'engine.oyl' (did you mean 'engine.oil'?)"),
        ({"engine": {"kind": "small"}}, "engine.oil must be given"),
        ({"engine": {"kind": "huge"}}, "engine.kind=huge is unknown; give small, large"),
        ({"engine": 3}, "engine is a block of settings"),
        ({"engine": {"kind": "large", "doors": []}}, "engine.doors=[] must have at least 1 values"),
        ({"engine": {"kind": "large", "doors": [1, 0]}}, "engine.doors=0 must be at least 1"),
        ({"grid": {"a\nb": 0}}, "grid=0 must be at least 1"),
        ({"seed": "x\n" * 999}, "seed=x x x"),
    ],
)
def test_a_mistake_is_one_short_line(change: dict, told: str) -> None:
    assert checked(Toy, RIGHT, command="toy").seed == 1
    with pytest.raises(WavuError) as caught:
        checked(Toy, RIGHT | change, command="toy")
    assert str(caught.value).startswith(told) and "\n" not in str(caught.value) and len(str(caught.value)) < 200


def test_the_nearest_name_is_told_where_one_is_near() -> None:
    assert nearest("sede", ["seed", "pca"]) == " (did you mean 'seed'?)" and nearest("x", ["seed"]) == ""
