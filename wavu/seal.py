"""Folders whose last file, ``rows.json``, tells size and checksum of each array beside it, so that damage is found."""

import hashlib
from pathlib import Path

from wavu.errors import WavuError
from wavu.stage import fingerprint
from wavu.store import read_json, write_json

SEALED = ("*.npy", "rows.json")  # files of such a folder


def checksum(path: Path) -> str:
    """BLAKE2b of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]


def seal(folder: Path, rows: dict) -> None:
    """Write ``rows.json``, the last file of a folder: rows, and what is there beside it."""
    files = {path.name: {"bytes": path.stat().st_size, "blake2b": checksum(path)} for path in sorted(folder.glob("*.npy"))}
    write_json(folder / "rows.json", rows | {"files": files, "seal": fingerprint(rows, files)})


def read_rows(folder: Path) -> dict:
    """The rows that :func:`seal` was given.

    Raises:
        WavuError: ``rows.json`` is missing or damaged.
    """
    return _opened(folder)[0]


def damage(folder: Path) -> str | None:
    """What is wrong with a sealed folder: the first file that is damaged or missing. Every byte is read."""
    try:
        for name, file in _opened(folder)[1].items():
            path = folder / name
            if not path.exists():
                return f"{path} is missing"
            if path.stat().st_size != file["bytes"]:
                return f"{path} has {path.stat().st_size:,} bytes instead of {file['bytes']:,}"
            if checksum(path) != file["blake2b"]:
                return f"{path} is damaged"
    except OSError as error:
        return f"{error.filename} cannot be read ({error.strerror})"
    except WavuError:
        return f"{folder / 'rows.json'} is damaged"
    return None


def _opened(folder: Path) -> tuple[dict, dict]:
    """The rows, and by name what is told of the files."""
    content = read_json(folder / "rows.json")
    if isinstance(content, dict):
        sealed, files = content.pop("seal", None), content.pop("files", {})
        if sealed == fingerprint(content, files):
            return content, files
    raise WavuError(f"{folder / 'rows.json'} is damaged; run the stage that writes it again")
