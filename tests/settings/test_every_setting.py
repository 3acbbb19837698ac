"""Every setting of every command, given hostile values: refused in one line before any work, or of the kind and range that it has."""

import importlib
import inspect
import math
from collections.abc import Iterator
from copy import deepcopy
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavu import command
from wavu.__main__ import commands
from wavu.errors import WavuError
from wavu.settings.base import Settings
from wavu.settings.mistakes import checked

HOSTILE = st.one_of(
    st.sampled_from(
        [None, True, False, 0, -1, -3, 2.5, 1e99, -1e99, math.nan, math.inf, 2**63, "", "x", "0", "\0", "a" * 5000, [], {}]
    ),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.integers() | st.floats() | st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
# What must be given, so that a command can be composed at all.
GIVEN = {
    "prepare_audio": ["audio_dir=in"],
    "choose_layer": ["audio_dir=in", "encoder=a/b"],
    "evaluate": ["hypotheses=h", "references=r"],
}
MUST = {"audio_dir": "in", "text": "text", "out_dir": "out", "out": "out", "audio": "audio", "model": "model", "gan": "gan"}
MUST |= {"language": "de", "run": "run", "files": "[a.wav]", "labels": "{de: x}", "start_from": "a/b"}


@cache
def composed(name: str) -> tuple[type[Settings], dict]:
    """The class of a command's settings, and those that it has by default, all of them."""
    main = inspect.getclosurevars(importlib.import_module(f"wavu.{name}").main).nonlocals
    text = (command.CONFIGS / f"{name}.yaml").read_text(encoding="utf-8")
    must = [f"{key}={value}" for key, value in MUST.items() if f"\n{key}: ???" in text]
    if name == "phoneme_ctc":
        must = ["audio={de: x}", *(word for word in must if not word.startswith("audio="))]
    found = command.composed(name, main["schema"], [*must, *GIVEN.get(name, [])], open_groups=main["open_groups"])
    return main["schema"], found.model_dump(mode="json", exclude_none=False)


def leaves(values: dict, *above: str) -> Iterator[tuple[str, ...]]:
    for key, value in values.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from leaves(value, *above, key)


def changed(values: dict, path: tuple[str, ...], value: object) -> dict:
    values = deepcopy(values)
    block = values
    for key in path[:-1]:
        block = block[key]
    block[path[-1]] = value
    return values


@pytest.mark.parametrize("name", commands())
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_hostile_value_is_refused_in_one_line_or_is_none(name: str, data: st.DataObject) -> None:
    schema, values = composed(name)
    path = data.draw(st.sampled_from(list(leaves(values))))
    value = data.draw(HOSTILE)
    try:
        found = checked(schema, changed(values, path, value), command=name)
    except WavuError as error:
        assert str(error).count("\n") == 0 and "Input should" not in str(error) and "validator" not in str(error), error
    else:
        for key in path:
            found = found[key] if isinstance(found, dict) else getattr(found, key)
        assert not isinstance(found, float) or math.isfinite(found)


@pytest.mark.parametrize("name", commands())
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_so_is_one_that_is_typed(name: str, data: st.DataObject) -> None:
    """Through Hydra's grammar, with its brackets, quotes and interpolations."""
    schema, values = composed(name)
    key = ".".join(data.draw(st.sampled_from(list(leaves(values)))))
    value = data.draw(
        st.sampled_from(
            ["", "0", "-1", "nan", "1e99", "[]", "{}", "null", "${x}", "'", "[", "a,b", "!!python/name:os", "\\", "ü "]
        )
    )
    try:
        command.composed(name, schema, [f"{key}={value}"])
    except WavuError as error:
        assert str(error).count("\n") == 0
