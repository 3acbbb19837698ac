"""One run of one command into one folder, which is either complete or not there.

A stage writes ``stage.json`` last, so a folder with a ``stage.json`` is complete.
"""

import hashlib
import json
import os
import resource
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wavu.errors import WavuError
from wavu.settings.base import Work
from wavu.store import PARTIAL, read_json, write_json


def fingerprint(*parts: object) -> str:
    """Short stable hash of JSON-like values."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_fingerprint(path: Path) -> str:
    """Short hash of a file's size, first and last 4 KiB: enough to tell recordings apart, and cheap for a million of them."""
    try:
        with open(path, "rb") as file:
            head = file.read(4096)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 4096))
            return hashlib.sha256(b"%d" % size + head + file.read()).hexdigest()[:16]
    except OSError:
        return "unreadable"


def folder_fingerprint(name: str | None) -> str:
    """Short hash of the files in a folder; where ``name`` is none (a model of the hub, say), that of no file."""
    folder = Path(name or "")
    files = sorted(path for path in folder.iterdir() if path.is_file()) if name and folder.is_dir() else []
    return fingerprint([file_fingerprint(path) for path in files])


def finished(folder: Path, command: str) -> dict:
    """The ``stage.json`` of a finished stage.

    Raises:
        WavuError: the folder is missing, unfinished, or the work of another command.
    """
    if not folder.is_dir():
        raise WavuError(f"folder {folder} does not exist; run python -m wavu.{command} out_dir={folder} first")
    if not (folder / "stage.json").exists():
        raise WavuError(
            f"{folder} is not finished (no stage.json); run python -m wavu.{command} out_dir={folder} again, it will go on where it stopped"
        )
    record = read_json(folder / "stage.json")
    if record["command"] != command:
        raise WavuError(
            f"{folder} was made by wavu.{record['command']}, expected the output of wavu.{command}; are two folders swapped?"
        )
    return record


def languages_taught(model: str) -> list[str] | None:
    """The languages whose labels a model has seen, as the about.json in its folder tells; None where nothing tells."""
    about = Path(model) / "about.json"
    return list(read_json(about).get("languages", [])) if about.exists() else None


class Stage:
    """One run of one command into one folder, resumable and skipped when already done.

    A stage that was started remembers its settings in ``plan.json``; ``stage.json`` marks the end and holds the
    settings, the fingerprints of what was read, counts in human units and seconds.
    """

    def __init__(self, settings: Work, *, command: str, inputs: dict[str, str]) -> None:
        """Open the folder ``settings.out_dir`` for a stage.

        settings: of the command. inputs: a fingerprint for each thing it reads.
        """
        self.began = time.perf_counter()
        self.out_dir = settings.out_dir
        self.overwrite = settings.overwrite
        config = {key: value for key, value in settings.plain().items() if key not in ("out_dir", "overwrite")}
        self.plan = {"command": command, "config": config, "inputs": inputs}

    def done(self) -> bool:
        """Whether this very stage is complete; a folder begun with other settings is refused.

        Raises:
            WavuError: the folder holds work made with other settings or inputs, or is to be overwritten and not ours.
        """
        begun = [name for name in ("stage.json", "plan.json") if (self.out_dir / name).exists()]
        if self.overwrite:
            if not begun and self.out_dir.exists() and any(self.out_dir.iterdir()):
                raise WavuError(
                    f"{self.out_dir} holds files that wavu did not make; overwrite=true would delete them: choose another out_dir"
                )
            return False
        for name in begun:
            differing = _differences(read_json(self.out_dir / name), self.plan)
            if differing:
                raise WavuError(
                    f"{self.out_dir} holds work made with other settings ({'; '.join(differing[:3])}); choose another out_dir or add overwrite=true"
                )
        return "stage.json" in begun

    @contextmanager
    def run(self) -> Iterator[dict]:
        """Do the work inside the block and fill the dict it gives with counts in human units.

        A failing block leaves the shards already whole, so that the next run goes on from there; a folder in which
        nothing was achieved is removed.
        """
        if self.overwrite and self.out_dir.exists():
            shutil.rmtree(self.out_dir)
        for left_by_a_kill in self.out_dir.rglob(f".*{PARTIAL}"):
            left_by_a_kill.unlink()
        resumed = (self.out_dir / "plan.json").exists()
        write_json(self.out_dir / "plan.json", self.plan)
        counts: dict = {}
        try:
            yield counts
        except BaseException:
            if not resumed and [path.name for path in self.out_dir.rglob("*") if path.is_file()] == ["plan.json"]:
                shutil.rmtree(self.out_dir)
            raise
        seconds = round(time.perf_counter() - self.began, 2)
        done = {"counts": counts, "seconds": seconds, "peak_memory_gb": peak_memory_gb()}
        write_json(self.out_dir / "stage.json", self.plan | done)
        (self.out_dir / "plan.json").unlink()


def peak_memory_gb() -> float:
    """The most memory this process has had at once so far, with what came before the stage."""
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9, 2)


def _differences(before: dict, now: dict) -> list[str]:
    """What differs between two plans, each as ``name: old -> new``."""
    if before["command"] != now["command"]:
        return [f"command: {before['command']} -> {now['command']}"]
    lines = []
    for part in ("config", "inputs"):
        old, new = _flatten(before[part]), _flatten(now[part])
        lines += [
            f"{key}: {old.get(key)} -> {new.get(key)}" for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)
        ]
    return lines


def _flatten(tree: dict, prefix: str = "") -> dict:
    """``{"a": {"b": 1}}`` as ``{"a.b": 1}``."""
    flat = {}
    for key, value in tree.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
