"""Settings that stand in no YAML are found, of the variants that are chosen."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from wavu.settings.base import Count, Place, Settings, Source, is_url, seldom_set


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


class Places(Settings):
    near: Place
    far: Source | None


@pytest.mark.parametrize("url", ["s3://bucket/a b", "gs://x", "memory://x/y", "zip://a.wav::s3://x/y.zip", "file:///in/x"])
def test_a_url_stays_as_it_is_and_only_where_recordings_may_be_elsewhere(url: str) -> None:
    assert Places(near="in", far=url).far == url and Places(near="in", far=url).plain()["far"] == url and is_url(url)
    with pytest.raises(ValueError, match="must lie on this machine; only prepare_audio reads recordings from a URL"):
        Places(near=url, far=None)


@pytest.mark.parametrize("name", ["in", "/in/a:b", "c:/x", "2024", "s3:/x", "~/in"])
def test_all_else_is_a_path(name: str) -> None:
    assert Places(near="in", far=name).far == Path(name).expanduser() and not is_url(Path(name))


def test_a_home_that_nobody_has_is_told() -> None:
    with pytest.raises(ValueError, match="home folder of somebody who is not known here"):
        Places(near="~nobody_of_that_name/in", far=None)
