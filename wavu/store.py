"""Everything on disk: ragged arrays, tables, and stages that are either complete or not there.

Files are written under a temporary name and renamed, so a file that is present is whole. A stage writes ``stage.json``
last, so a folder with a ``stage.json`` is complete.
"""

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from wavu.errors import WavuError

PARTIAL = ".partial"


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
        with tempfile.TemporaryDirectory(dir=folder) as name:
            yield Path(name)
            *others, final = sorted(Path(name).iterdir(), key=lambda path: path.name == last)
            shutil.copymode(others[0], final)  # safetensors saves weights for their owner alone
            for path in (*others, final):
                os.replace(path, folder / path.name)
    except OSError as error:
        raise WavuError(f"cannot write {folder}: {error.strerror or error}; free some space or choose another out_dir") from error


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_array(path: Path, array: np.ndarray) -> None:
    """Write one ``.npy`` file whole or not at all."""
    with atomic(path) as temporary, open(temporary, "wb") as file:
        np.save(file, array, allow_pickle=False)


def read_array(path: Path) -> np.ndarray:
    """Memory-map one ``.npy`` file."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise WavuError(f"cannot read {path}: {error}; run the stage that writes it again") from error


def write_json(path: Path, value: object) -> None:
    """Write JSON whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict:
    """Read a JSON file.

    Raises:
        WavuError: the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WavuError(f"{path} is missing; is {path.parent} the folder of a finished stage?") from error
    except (OSError, ValueError) as error:
        raise WavuError(f"cannot read {path}: {error}; run the stage that writes it again") from error


def write_tensors(path: Path, tensors: dict[str, np.ndarray], about: dict) -> None:
    """Write named arrays, and JSON-like facts about them in the same file (safetensors), whole or not at all."""
    content = save({name: np.asarray(array, order="C") for name, array in tensors.items()}, {"about": json.dumps(about)})
    with atomic(path) as temporary:  # not save_file: a full disk would raise an error of its own kind
        temporary.write_bytes(content)


def read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    """The arrays and the facts that :func:`write_tensors` wrote.

    Raises:
        WavuError: the file is missing or damaged.
    """
    try:
        with safe_open(path, "numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["about"])
    except FileNotFoundError as error:
        raise WavuError(f"{path} is missing; is {path.parent} the folder of a finished stage?") from error
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise WavuError(f"cannot read {path}: {error}; run the stage that writes it again") from error


def write_table(path: Path, rows: Sequence[dict], columns: Sequence[str]) -> None:
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


@dataclass(frozen=True, eq=False)
class Ragged:
    """Rows of different lengths in one flat array: row ``i`` is ``flat[offsets[i]:offsets[i + 1]]``.

    flat (N, ...): all rows, one after another; often a memory-map.
    offsets (B + 1): where each of the B rows starts, and the end.
    """

    flat: np.ndarray
    offsets: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[np.ndarray], dtype: type) -> "Ragged":
        """Join rows into one Ragged."""
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
        flat = np.concatenate([np.asarray(row, dtype) for row in rows]) if len(rows) else np.zeros(0, dtype)
        return cls(flat, offsets)

    @classmethod
    def join(cls, parts: Sequence["Ragged"]) -> "Ragged":
        """Rows of several Raggeds as one; a single part is kept as the memory-map it is."""
        if len(parts) == 1:
            return parts[0]
        lengths = np.concatenate([part.lengths for part in parts])
        return cls(np.concatenate([part.flat for part in parts]), np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))

    @classmethod
    def read(cls, folder: Path, name: str) -> "Ragged":
        """Memory-map ``folder/name.npy`` and its ``name.offsets.npy``."""
        return cls(read_array(folder / f"{name}.npy"), np.asarray(read_array(folder / f"{name}.offsets.npy")))

    def write(self, folder: Path, name: str) -> None:
        """Write ``folder/name.npy`` and ``folder/name.offsets.npy``."""
        write_array(folder / f"{name}.npy", self.flat)
        write_array(folder / f"{name}.offsets.npy", self.offsets)

    def take(self, rows: np.ndarray) -> "Ragged":
        """The given rows (B', any order, repeats allowed) as a new Ragged in memory, without a loop."""
        lengths = self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        places = np.repeat(self.offsets[:-1][rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Ragged(self.flat[places], offsets)

    def keep(self, wanted: np.ndarray) -> "Ragged":
        """The values (N) bool that are wanted, in their rows."""
        return Ragged(self.flat[wanted], np.concatenate([[0], np.cumsum(wanted)])[self.offsets])

    def run_starts(self) -> np.ndarray:
        """Which values begin a run of equal ones within their row (N) bool.

        >>> Ragged(np.array([3, 3, 5, 5, 5]), np.array([0, 4, 5])).run_starts()
        array([ True, False,  True, False,  True])
        """
        begins = np.ones(len(self.flat), bool)
        begins[1:] = self.flat[1:] != self.flat[:-1]
        begins[self.offsets[:-1][self.lengths > 0]] = True
        return begins

    @cached_property
    def lengths(self) -> np.ndarray:
        """Length of each row (B)."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> np.ndarray:
        return self.flat[self.offsets[row] : self.offsets[row + 1]]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[row] for row in range(len(self)))


@dataclass(frozen=True, eq=False)
class Speech:
    """Speech as ``prepare_audio`` leaves it. There is no field for a transcript, on purpose.

    ids: one name per utterance.
    frames: (N, d) float16 encoder frames after PCA, 20 ms each, non-speech cut out.
    units: (N,) int16 k-means cluster of each frame, K of them.
    segments: (S, d) float16 mean of the frames of each phone-like segment.
    starts: (S,) int32 first frame of each segment, counted from the utterance's first kept frame.
    n_units: K.
    targets: (N,) int16 k-means cluster of the MFCC beside each frame, n_targets of them, where prepare_audio was asked for them.
    """

    ids: list[str]
    frames: Ragged
    units: Ragged
    segments: Ragged
    starts: Ragged
    n_units: int
    targets: Ragged | None = None
    n_targets: int = 0

    @classmethod
    def read(cls, folder: Path) -> "Speech":
        """Open the output folder of ``prepare_audio``."""
        counts = finished(folder, "prepare_audio")["counts"]
        names = ["frames", "units", "segments", "starts"] + ["targets"] * ("targets" in counts)
        shards = sorted((folder / "shards").iterdir())
        arrays = {name: _rows_of(shards, name) for name in names}
        ids = [row["id"] for row in read_table(folder / "manifest.tsv", ["id"])]
        return cls(ids, **arrays, n_units=counts["clusters"], n_targets=counts.get("targets", 0))


@dataclass(frozen=True, eq=False)
class Codes:
    """Codes of a pre-trained model as ``codebook`` leaves them.

    ids, speakers: of each utterance; "" where a speaker is not known. codes: (N, G) int16, one of each of G codebooks per frame.
    size: codes in each codebook.
    """

    ids: list[str]
    speakers: list[str]
    codes: Ragged
    size: int

    @classmethod
    def read(cls, folder: Path) -> "Codes":
        """Open the output folder of ``codebook`` for one language."""
        size = finished(folder, "codebook")["counts"]["codes"]
        rows = read_table(folder / "manifest.tsv", ["id", "speaker"])
        codes = _rows_of(sorted((folder / "shards").iterdir()), "codes")
        return cls([row["id"] for row in rows], [row["speaker"] for row in rows], codes, size)


def _rows_of(shards: list[Path], name: str) -> Ragged:
    """Rows of all shards as one: of several, in memory; of one, the memory-map it is.

    Opened one after another, as a system lets few more than a thousand files be open at once.
    """
    if len(shards) == 1:
        return Ragged.read(shards[0], name)
    offsets = [np.array(read_array(shard / f"{name}.offsets.npy")) for shard in shards]
    ends = np.cumsum([0, *(each[-1] for each in offsets)])
    first = read_array(shards[0] / f"{name}.npy")
    flat = np.empty((ends[-1], *first.shape[1:]), first.dtype)
    for shard, start, end in zip(shards, ends[:-1], ends[1:], strict=True):
        flat[start:end] = read_array(shard / f"{name}.npy")
    return Ragged(flat, np.concatenate([[0], *(each[1:] + end for each, end in zip(offsets, ends[:-1], strict=True))]))


SILENCE = "<SIL>"


@dataclass(frozen=True, eq=False)
class Text:
    """Text as ``prepare_text`` leaves it: sentences of words, words of phones.

    phones: V symbols; the last is ``<SIL>``, which no word contains.
    words: the W words of the lexicon.
    pronunciations: row w holds the int16 phone ids of word w.
    lines: row i holds the int32 word ids of sentence i.
    """

    phones: list[str]
    words: list[str]
    pronunciations: Ragged
    lines: Ragged

    @classmethod
    def read(cls, folder: Path) -> "Text":
        """Open the output folder of ``prepare_text``."""
        finished(folder, "prepare_text")
        phones = (folder / "phones.txt").read_text(encoding="utf-8").split("\n")[:-1]
        number = {phone: index for index, phone in enumerate(phones)}
        lexicon = read_table(folder / "lexicon.tsv", ["word", "phones"])
        spelled = [np.array([number[phone] for phone in row["phones"].split()]) for row in lexicon]
        words = [row["word"] for row in lexicon]
        return cls(phones, words, Ragged.of(spelled, np.int16), Ragged.read(folder, "lines"))


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

    def __init__(self, config: dict, *, command: str, inputs: dict[str, str]) -> None:
        """Open the folder ``config["out_dir"]`` for a stage.

        config: the resolved settings of the command. inputs: a fingerprint for each thing it reads.
        """
        self.began = time.perf_counter()
        self.out_dir = Path(config["out_dir"])
        self.overwrite = config["overwrite"]
        settings = {key: value for key, value in config.items() if key not in ("out_dir", "overwrite")}
        self.plan = {"command": command, "config": settings, "inputs": inputs}

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
        write_json(self.out_dir / "stage.json", {**self.plan, "counts": counts, "seconds": seconds})
        (self.out_dir / "plan.json").unlink()


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
