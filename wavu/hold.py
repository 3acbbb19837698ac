"""A folder that one process writes into at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wavu.errors import WavuError
from wavu.store import read_json


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Make a folder if there is none, and hold it, so that nobody else writes into it; a kill lets go of it.

    Raises:
        WavuError: another process holds it, or it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        why = "a file has its name" if folder.is_file() else error.strerror
        raise WavuError(f"cannot make the folder {folder}: {why}; choose another out_dir") from error
    try:
        _lock(handle, folder)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        plan = read_json(folder / "plan.json") if (folder / "plan.json").exists() else {}
        by = f"process {plan['process']} on {plan['machine']}" if "process" in plan else "another process"
        raise WavuError(f"{folder} is being written by {by}; wait until it has finished, or choose another out_dir") from None
    except OSError:
        pass  # a file system without locks, such as some of a network
