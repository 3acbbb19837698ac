"""Shared by all tests: one thread each (they run side by side), and finished stages made by hand, a few kilobytes large."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch are imported

import numpy as np
import pytest
import torch

from wavu.ragged import Ragged
from wavu.store import write_json, write_table

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data() -> Path:
    """Real recordings and text, where the environment variable WAVU_DATA says they are."""
    folder = Path(os.environ.get("WAVU_DATA", "no such folder"))
    if not folder.is_dir():
        pytest.skip("WAVU_DATA does not name a folder")
    return folder


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Callable[..., tuple[int, str]]:
    """A command as somebody types it, in this process: its exit code, and what it says on standard error."""

    def typed(command: ModuleType, *arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", [command.__name__, *map(str, arguments)])
        try:
            command.main()
        except SystemExit as stop:
            return int(stop.code or 0), capsys.readouterr().err
        return 0, capsys.readouterr().err

    return typed


@pytest.fixture
def text_folder(tmp_path: Path) -> Path:
    """What prepare_text leaves for a language of three words: tak, ki and o."""
    folder = tmp_path / "text"
    folder.mkdir()
    (folder / "phones.txt").write_text("t\na\nk\ni\no\n<SIL>\n", encoding="utf-8")
    lexicon = [("tak", "t a k", 3), ("ki", "k i", 2), ("o", "o", 1)]
    write_table(
        folder / "lexicon.tsv",
        [dict(zip(("word", "phones", "count"), row, strict=True)) for row in lexicon],
        ("word", "phones", "count"),
    )
    Ragged.of([np.array([0, 1]), np.array([0, 2]), np.array([1, 0])], np.int32).write(folder, "lines")
    write_json(
        folder / "stage.json",
        {"command": "prepare_text", "config": {"language": "", "units": "char"}, "inputs": {}, "counts": {}},
    )
    return folder


@pytest.fixture
def speech_folder(tmp_path: Path) -> Path:
    """What prepare_audio leaves for two utterances in two shards; d = 2, K = 3."""
    folder = tmp_path / "audio"
    rows = [{"id": "a", "path": "a.wav", "speaker": "x"}, {"id": "b", "path": "b.wav", "speaker": "x"}]
    write_table(folder / "manifest.tsv", rows, ("id", "path", "speaker"))
    for shard, n_frames in enumerate((4, 6)):
        where = folder / "shards" / f"{shard:05d}"
        frames = np.full((n_frames, 2), shard, np.float16)
        Ragged.of([frames], np.float16).write(where, "frames")
        Ragged.of([np.arange(n_frames) % 3], np.int16).write(where, "units")
        Ragged.of([frames[:2]], np.float16).write(where, "segments")
        Ragged.of([np.array([0, 2])], np.int32).write(where, "starts")
    (folder / "stage.json").write_text(json.dumps({"command": "prepare_audio", "counts": {"clusters": 3}}))
    return folder
