"""Files that are whole or not there: text, JSON, tables, arrays, tensors.

A file is written under a temporary name and renamed, so a file that is present is whole.
"""

import hashlib
import json
import mmap
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from wavu.errors import WavuError

PARTIAL = ".partial"
# Among the facts about tensors, as the order of more than one piece of safetensors' metadata is left to chance.
CHECKSUM = "blake2b"
COPIED_AT_ONCE = 1 << 20  # rows of a memory-map


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its name when the block ends well and vanishes when it does not.

    Raises:
        WavuError: the disk is full or the folder may not be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise WavuError(f"cannot write {path}: {error.strerror or error}; free some space or choose another out_dir") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def atomic_files(folder: Path, *, last: str) -> Iterator[Path]:
    """A temporary folder, whose files move into ``folder`` when the block ends well; where the one named ``last`` is, all are.

    Raises:
        WavuError: the disk is full or the folder may not be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".", suffix=PARTIAL) as name:
            yield Path(name)
            *others, final = sorted(Path(name).iterdir(), key=lambda path: path.name == last)
            shutil.copymode(others[0], final)  # safetensors saves weights for their owner alone
            for path in (*others, final):
                os.replace(path, folder / path.name)
    except OSError as error:
        raise WavuError(f"cannot write {folder}: {error.strerror or error}; free some space or choose another out_dir") from error


class Facts(dict):
    """What a file says, by names; one that is missing is told of with the file. A copy, which comes of no file, is as any dict."""

    def __init__(self, facts: Mapping | Iterable[tuple] = (), path: Path | None = None) -> None:
        super().__init__(facts)
        self.path = path

    def __missing__(self, name: str) -> None:
        if self.path is None:
            raise KeyError(name)
        raise WavuError(f"{self.path} is damaged (it has no '{name}'); run the stage that writes it again")


@contextmanager
def intact(path: Path) -> Iterator[None]:
    """Within the block, what fails can only fail because a file is not as it was written. path: that file, or its folder.

    Raises:
        WavuError: it fails.
    """
    try:
        yield
    except WavuError:
        raise
    except Exception as error:
        cause = " ".join(str(error).split())[:120] or type(error).__name__
        raise WavuError(f"{path} is damaged ({cause}); run the stage that writes it again") from error


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_array(path: Path, array: np.ndarray) -> None:
    """Write one ``.npy`` file whole or not at all."""
    with atomic(path) as temporary, open(temporary, "wb") as file:
        if not isinstance(array, np.memmap) or not array.flags.c_contiguous:
            np.save(file, array, allow_pickle=False)
            return
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        for start in range(0, len(array), COPIED_AT_ONCE):
            array[start : start + COPIED_AT_ONCE].tofile(file)
            let_go(array)


def let_go(array: np.ndarray) -> None:
    """Give back the memory that reading a memory-map has taken; the values stay in its file."""
    owner: object = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(array, np.memmap) and array.mode != "c" and isinstance(owner, mmap.mmap):
        owner.madvise(mmap.MADV_DONTNEED)


def read_array(path: Path) -> np.ndarray:
    """Memory-map one ``.npy`` file."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise WavuError(f"{path} is missing; is {path.parent} the folder of a finished stage?") from error
    except Exception as error:  # numpy parses the header as Python, and a damaged one raises all kinds
        cause = " ".join(str(error).split())[:120]
        raise WavuError(f"cannot read {path}: {cause}; run the stage that writes it again") from error


def write_json(path: Path, value: object) -> None:
    """Write JSON whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict:
    """Read a JSON file.

    Raises:
        WavuError: the file is missing or is not JSON.
    """
    try:
        facts = json.loads(path.read_text(encoding="utf-8"), object_hook=lambda facts: Facts(facts, path))
        if not isinstance(facts, dict):
            raise ValueError("it holds no names")
        return facts
    except FileNotFoundError as error:
        raise WavuError(f"{path} is missing; is {path.parent} the folder of a finished stage?") from error
    except (OSError, ValueError, RecursionError) as error:
        raise WavuError(f"cannot read {path}: {error}; run the stage that writes it again") from error


def write_tensors(path: Path, tensors: dict[str, np.ndarray], about: dict) -> None:
    """Write named arrays, JSON-like facts about them and their checksum in one file (safetensors), whole or not at all."""
    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    content = save(arrays, {"about": json.dumps(about | {CHECKSUM: _checksum(arrays)})})
    with atomic(path) as temporary:  # not save_file: a full disk would raise an error of its own kind
        temporary.write_bytes(content)


def read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    """The arrays and the facts that :func:`write_tensors` wrote.

    Raises:
        WavuError: the file is missing or damaged.
    """
    try:
        with safe_open(path, "numpy") as file:
            tensors = Facts({name: file.get_tensor(name) for name in file.keys()}, path)
            about = json.loads(file.metadata()["about"], object_hook=lambda facts: Facts(facts, path))
        if about.pop(CHECKSUM, None) not in (None, _checksum(tensors)):
            raise ValueError("its numbers are not those that were written")
        return tensors, about
    except FileNotFoundError as error:
        raise WavuError(f"{path} is missing; is {path.parent} the folder of a finished stage?") from error
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise WavuError(f"cannot read {path}: {error}; run the stage that writes it again") from error


def _checksum(tensors: dict[str, np.ndarray]) -> str:
    """BLAKE2b of the values of named arrays."""
    sum_ = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        sum_.update(np.ascontiguousarray(tensors[name]).reshape(-1).view(np.uint8).data)
    return sum_.hexdigest()


def write_table(path: Path, rows: Iterable[dict], columns: Sequence[str]) -> None:
    """Write a tab-separated table with a header. Tabs and line ends inside values become spaces."""
    with atomic(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        file.write("\t".join(columns) + "\n")
        for row in rows:
            file.write("\t".join(" ".join(str(row[column]).splitlines()).replace("\t", " ") for column in columns) + "\n")


def read_table(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """Rows of a tab-separated table with a header.

    Raises:
        WavuError: the file is missing, is not UTF-8, lacks one of ``columns``, or a line has too few or too many fields.
    """
    try:
        # Not str.splitlines: it also cuts at separators that may stand inside a sentence, such as U+2028.
        header, *lines = path.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise WavuError(f"{path} is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise WavuError(f"cannot read {path}: {error.strerror}; check the path") from error
    names = header.split("\t")
    missing = [column for column in columns if column not in names]
    if missing:
        raise WavuError(
            f"{path} has no column {', '.join(missing)} (found: {', '.join(names)}); expected a TSV with a header line"
        )
    rows = [line.split("\t") for line in lines]
    for number, row in enumerate(rows, start=2):
        if len(row) != len(names):
            raise WavuError(
                f"{path} line {number} has {len(row)} fields, the header {len(names)}; fields are separated by single tabs"
            )
    return [dict(zip(names, row, strict=True)) for row in rows]
