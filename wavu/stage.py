"""One run of one command into one folder, which is either complete or not there.

A stage writes ``stage.json`` last, so a folder with a ``stage.json`` is complete.
"""

import hashlib
import json
import os
import platform
import resource
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from wavu.errors import WavuError
from wavu.hold import held
from wavu.settings.base import Settings, Work
from wavu.settings.mistakes import checked
from wavu.store import PARTIAL, read_json, write_json

STAGE = ("plan.json", "stage.json")  # files of every stage, as it begins and when it has finished


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


def below(folder: str, makes: tuple[str, ...]) -> tuple[str, ...]:
    """The patterns of files as they are below a folder that a pattern names.

    >>> below("shards/*", ("a.npy", "rows.json"))
    ('shards/*/a.npy', 'shards/*/rows.json')
    """
    return tuple(f"{folder}/{name}" for name in makes)


class Stage:
    """One run of one command into one folder, resumable and skipped when already done.

    A stage that was started remembers its settings in ``plan.json``; ``stage.json`` marks the end and holds the
    settings, the fingerprints of what was read, counts in human units and seconds.
    """

    def __init__(
        self, settings: Work, *, command: str, inputs: dict[str, str], makes: tuple[str, ...], grows: str | None = None
    ) -> None:
        """Open the folder ``settings.out_dir`` for a stage.

        settings: of the command. inputs: a fingerprint for each thing it reads. makes: patterns of all files that it
        leaves, finished or not, in which ``*`` stands for any characters: what ``overwrite`` may delete, and nothing else.
        grows: the input that may have changed since; the stage itself then does what is new, in a folder that was finished too.
        """
        self.began = time.perf_counter()
        self.settings = settings
        self.out_dir = settings.out_dir
        self.overwrite = settings.overwrite
        self.makes = (*STAGE, *makes)
        self.grows = grows
        self.reads = list(_paths(settings))
        self.plan = {"command": command, "config": _config(settings), "inputs": inputs}

    def done(self) -> bool:
        """Whether this very stage is complete, but for what has grown; a folder begun with other settings is refused.

        Raises:
            WavuError: the folder lies in one that is read, or holds work made with other settings or inputs, or is to be
                begun or overwritten and holds files that are not ours.
        """
        for path in self.reads:
            if path.is_dir() and self.out_dir.resolve().is_relative_to(path.resolve()):
                raise WavuError(f"out_dir={self.out_dir} lies in {path}, which is read; choose a folder outside of it")
        begun = [name for name in ("stage.json", "plan.json") if (self.out_dir / name).exists()]
        if self.overwrite or not begun:
            self._refuse_strangers(() if not begun else self.makes)
            return False
        for name in begun:
            before = read_json(self.out_dir / name)
            if self.grows and self.grows in before["inputs"]:
                before["inputs"][self.grows] = self.plan["inputs"][self.grows]
            differing = _differences(before | {"config": self._completed(before["config"])}, self.plan)
            if differing:
                raise WavuError(
                    f"{self.out_dir} holds work made with other settings ({'; '.join(differing[:3])}); choose another out_dir or add overwrite=true"
                )
        return "stage.json" in begun

    def _completed(self, config: dict) -> dict:
        """Settings of a run before this one; those that wavu did not have yet have the value that changes nothing, their usual one."""
        theirs = dict(config) | {"out_dir": str(self.out_dir), "overwrite": self.overwrite}
        try:
            return _config(checked(type(self.settings), theirs, command=self.plan["command"]))
        except WavuError:  # of another command, or settings that are no more
            return config

    def _refuse_strangers(self, ours: tuple[str, ...]) -> None:
        """Refuse a folder with files of other names, hidden ones aside, such as those of a file manager."""
        names = (path.relative_to(self.out_dir).as_posix() for path in self.out_dir.rglob("[!.]*") if path.is_file())
        strange = sorted(name for name in names if not any(fnmatchcase(name, pattern) for pattern in ours))
        if strange:
            more = f" and {len(strange) - 1:,} more" if strange[1:] else ""
            raise WavuError(f"{self.out_dir} holds files that wavu did not make ({strange[0]}{more}); choose another out_dir")

    @contextmanager
    def run(self) -> Iterator[dict]:
        """Do the work inside the block and fill the dict it gives with counts in human units.

        A failing block leaves the shards already whole, so that the next run goes on from there; a folder in which
        nothing was achieved is removed.

        Raises:
            WavuError: another process is writing into the folder.
        """
        with held(self.out_dir):
            before = read_json(self.out_dir / "plan.json") if (self.out_dir / "plan.json").exists() else {}
            if self.overwrite or before.get("emptying"):
                self._empty()
                before = {}
            if (self.out_dir / "stage.json").exists() and not self.grows:
                raise WavuError(f"{self.out_dir} has just been finished by another process")
            finished = before.get("finished")
            if (self.out_dir / "stage.json").exists():  # of a folder that has grown, or was damaged
                finished = read_json(self.out_dir / "stage.json")
            resumed = bool(before or finished)
            for left_by_a_kill in list(self.out_dir.rglob(f".*{PARTIAL}")):
                shutil.rmtree(left_by_a_kill) if left_by_a_kill.is_dir() else left_by_a_kill.unlink()
            here = {"process": os.getpid(), "machine": platform.node(), "working_folder": str(Path.cwd())}
            write_json(self.out_dir / "plan.json", self.plan | here | ({"finished": finished} if finished else {}))
            (self.out_dir / "stage.json").unlink(missing_ok=True)
            counts: dict = {}
            try:
                yield counts
            except BaseException:
                if not resumed and [path.name for path in self.out_dir.rglob("*") if path.is_file()] == ["plan.json"]:
                    shutil.rmtree(self.out_dir)
                raise
            seconds = round(time.perf_counter() - self.began, 2)
            record = self.plan | {"counts": counts, "seconds": seconds, "peak_memory_gb": peak_memory_gb()}
            mended = finished is not None and all(finished[name] == record[name] for name in ("inputs", "counts"))
            # What was only mended is what it was, and what later stages have made of it stays of use.
            write_json(self.out_dir / "stage.json", finished if mended else record)
            (self.out_dir / "plan.json").unlink()

    def _empty(self) -> None:
        """Delete what the stage has made, and nothing else; killed in the middle, the next run goes on with it."""
        write_json(self.out_dir / "plan.json", self.plan | {"emptying": True})
        (self.out_dir / "stage.json").unlink(missing_ok=True)  # first, as it says that all else is there
        for folder, _, names in os.walk(self.out_dir, topdown=False):
            for name in names:
                path = Path(folder, name)
                ours = path.relative_to(self.out_dir).as_posix()
                if ours != "plan.json" and any(fnmatchcase(ours, pattern) for pattern in self.makes):
                    path.unlink()
            if Path(folder) != self.out_dir and not os.listdir(folder):
                os.rmdir(folder)


def _config(settings: Work) -> dict:
    """The settings that a result hangs on."""
    return {key: value for key, value in settings.plain().items() if key not in ("out_dir", "overwrite")}


def _paths(settings: Settings) -> Iterator[Path]:
    """All files and folders that are named in settings, but for out_dir."""
    values = [value for name, value in settings if name != "out_dir"]
    while values:
        value = values.pop()
        if isinstance(value, Path):
            yield value
        elif isinstance(value, Settings | dict):
            values += [inner for _, inner in (value if isinstance(value, Settings) else value.items())]


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
