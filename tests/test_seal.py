"""Damage of every kind is found, and the file is named."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from wavu.errors import WavuError
from wavu.seal import damage, read_rows, seal
from wavu.store import write_array

ROWS = {"kept": [{"id": "a", "end": 1.25}], "skipped": []}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("frames", "units"):
        write_array(tmp_path / f"{name}.npy", np.arange(100))
    seal(tmp_path, ROWS)
    return tmp_path


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "units.npy is damaged": lambda folder: flip(folder / "units.npy"),
    "units.npy is missing": lambda folder: (folder / "units.npy").unlink(),
    "frames.npy has 3 bytes instead of 928": lambda folder: (folder / "frames.npy").write_bytes(b"abc"),
    "rows.json is damaged": lambda folder: (folder / "rows.json").write_text(
        (folder / "rows.json").read_text().replace("1.25", "1.26")
    ),
}


def test_rows_come_back_and_nothing_is_wrong(folder: Path) -> None:
    assert read_rows(folder) == ROWS and damage(folder) is None


@pytest.mark.parametrize("told", DAMAGES)
def test_damage_is_found_and_named(told: str, folder: Path) -> None:
    DAMAGES[told](folder)
    assert str(damage(folder)).endswith(told)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"kept": []}', '{"files": 3, "seal": "x"}', "\xff"])
def test_rows_that_are_none_are_told(content: str, folder: Path) -> None:
    (folder / "rows.json").write_text(content, encoding="latin-1")
    assert damage(folder) and "rows.json" in damage(folder)
    with pytest.raises(WavuError, match=r"rows.json"):
        read_rows(folder)
