"""Settings that stand in no YAML are found, of the variants that are chosen."""

from typing import Annotated, Literal

from pydantic import Field

from wavu.settings.base import Count, Settings, seldom_set


class Small(Settings):
    kind: Literal["small"]
    size: Count = 3
    """metres"""


class Large(Settings):
    kind: Literal["large"]
    weight: Count = 5
    """tons"""


class Toy(Settings):
    engine: Annotated[Small | Large, Field(discriminator="kind")]
    inner: Small = Field(default_factory=lambda: Small(kind="small"))
    seed: Count
    pitch: Count | None = None
    """of its hum"""


def test_what_stands_in_no_yaml_is_told_of_the_chosen_variant() -> None:
    told = list(seldom_set(Toy, {"engine": {"kind": "large"}, "seed": 1}))
    assert ("engine.weight", 5, "tons") in told and ("pitch", None, "of its hum") in told
    assert not any(name in ("seed", "engine.size", "engine.kind") for name, _, _ in told)
    assert not list(seldom_set(Small, {"kind": "small", "size": 4}))
