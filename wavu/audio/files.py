"""Which recordings there are: a folder, a manifest of ours, or one of the original's."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path, PurePath

import numpy as np

from wavu.audio import remote
from wavu.audio.read import SUFFIXES, duration, pieces
from wavu.errors import WavuError
from wavu.ragged import Ragged
from wavu.settings.base import is_url
from wavu.stage import file_fingerprint, fingerprint
from wavu.store import read_array, read_table
from wavu.units import HOP_SECONDS


@dataclass(frozen=True)
class Recording:
    """What becomes one utterance: a file, or its part from ``start`` to ``end`` seconds (0: its end).

    path: on this machine, or a URL, which is a str.
    """

    id: str
    path: Path | str
    start: float = 0.0
    end: float = 0.0
    speaker: str = ""

    @property
    def seconds(self) -> float:
        """Length; 0 where the file could not be read."""
        return self.end - self.start


def find_audio(folder: Path | str) -> list[Recording]:
    """Every audio file below a folder, named by its relative path without suffix, in order of name.

    Links to folders elsewhere are followed, each folder once. A name that no table can hold is written with backslashes.

    Raises:
        WavuError: the folder is missing or holds no audio.
    """
    if is_url(folder):
        paths = {url: remote.below(url, folder) for url in remote.files_below(folder)}
    elif folder.is_dir():
        paths = {path.absolute(): path.relative_to(folder) for path in sorted(_files_below(folder))}
    else:
        raise WavuError(f"{folder} is not a folder of recordings; check the path")
    named = [(escaped(name.with_suffix("")), path) for path, name in paths.items() if name.suffix.lower() in SUFFIXES]
    if not named:
        raise WavuError(f"folder {folder} holds no audio (looked for {', '.join(sorted(SUFFIXES))}); check the path")
    return _unique([Recording(*one) for one in named])


def _files_below(folder: Path) -> Iterator[Path]:
    """Files that are not hidden; a folder that links lead to again, or that was there already, is not entered a second time."""
    entered = {os.path.realpath(folder)}
    for top, folders, names in os.walk(folder, followlinks=True):
        inside = [name for name in folders if not os.path.islink(os.path.join(top, name))]
        entered |= {os.path.realpath(os.path.join(top, name)) for name in inside}
        for name in sorted(set(folders) - set(inside)):
            target = os.path.realpath(os.path.join(top, name))
            if target not in entered and not Path(target).is_relative_to(os.path.realpath(folder)):
                entered.add(target)
                inside.append(name)
        folders[:] = inside
        yield from (Path(top, name) for name in names if not name.startswith(".") and os.path.isfile(os.path.join(top, name)))


def escaped(path: PurePath | str) -> str:
    """A path as a table can hold it: bytes that are not UTF-8, tabs and line ends with backslashes.

    >>> escaped(Path("a b/c")), escaped(Path("a\\tb"))
    ('a b/c', 'a\\\\tb')
    """
    name = str(path).encode("utf-8", "backslashreplace").decode()
    return re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]", lambda found: found[0].encode("unicode_escape").decode(), name)


def read_manifest(manifest: Path | str) -> list[Recording]:
    """Recordings of a TSV with a header ``id, path`` and perhaps ``start, end, speaker``, or of the original's: a root, then path and samples.

    Paths are relative to the manifest, or to the root; they and the manifest itself may be URLs.

    Raises:
        WavuError: the manifest is missing, malformed or empty.
    """
    with remote.fetched([manifest]) as here:
        lines = _lines(here[manifest], manifest)
        if lines and "\t" not in lines[0] and "path" != lines[0].strip():
            root = _beside(manifest, lines[0].strip())
            names = [line.split("\t")[0] for line in lines[1:] if line.strip()]
            recordings = [Recording(Path(name).with_suffix("").as_posix(), _within(root, name)) for name in names]
        else:
            rows = read_table(here[manifest], ["id", "path"])
            recordings = [_from_row(manifest, number, row) for number, row in enumerate(rows, start=2)]
    if not recordings:
        raise WavuError(
            f"manifest={manifest} lists no recordings; expected a TSV with a header line id, path and a row per recording"
        )
    return _unique(recordings)


def _lines(path: Path, manifest: Path | str) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WavuError(
            f"cannot read manifest={manifest}: {error.strerror if isinstance(error, OSError) else 'not UTF-8'}; check the path"
        ) from error


def _beside(manifest: Path | str, name: str) -> Path | str:
    """The place that a manifest names, as seen from where it lies."""
    return _within(manifest.rpartition("/")[0] if is_url(manifest) else manifest.parent, name)


def _within(folder: Path | str, name: str) -> Path | str:
    if is_url(name):
        return name
    return f"{folder}/{name}" if is_url(folder) and not name.startswith("/") else Path(folder, name).absolute()


def sources_of(audio: object) -> dict[str, Path]:
    """Where the recordings of each language are, as a setting names them; a language that is alone needs no name.

    >>> sources_of("spanish"), sources_of({"es": "spanish", "de": "german"}).keys()
    ({'': PosixPath('spanish')}, dict_keys(['es', 'de']))

    Raises:
        WavuError: the setting names no places.
    """
    sources = audio if isinstance(audio, dict) else {"": audio}
    if not sources or not all(isinstance(source, str) for source in sources.values()):
        raise WavuError(
            f"audio={audio} must be a folder or a manifest, or several with a name each: '{{es: spanish, de: german}}'"
        )
    return {str(name): Path(source) for name, source in sources.items()}


def recordings_in(source: Path) -> list[Recording]:
    """Those of a folder, see :func:`find_audio`, or of a manifest, see :func:`read_manifest`."""
    return read_manifest(source) if source.is_file() else find_audio(source)


def read_precomputed(folder: Path, split: str) -> tuple[list[Recording], Ragged]:
    """Frames that the original's extraction left: ``SPLIT.npy`` (N, D), ``SPLIT.lengths`` and, for names, ``SPLIT.tsv``.

    Raises:
        WavuError: a file is missing or they do not fit together.
    """
    flat = read_array(folder / f"{split}.npy")
    try:
        lengths = np.array((folder / f"{split}.lengths").read_text().split(), np.int64)
    except (OSError, ValueError) as error:
        raise WavuError(f"cannot read {folder / split}.lengths: {error}; expected one number of frames per line") from error
    if flat.ndim != 2 or not len(flat) or lengths.sum() != len(flat):
        raise WavuError(
            f"{folder / split}.npy has shape {flat.shape}, but {split}.lengths add up to {lengths.sum()} frames; are they of one extraction?"
        )
    named = folder / f"{split}.tsv"
    recordings = (
        read_manifest(named)
        if named.exists()
        else [Recording(f"{split}-{row:06d}", folder / f"{split}.npy") for row in range(len(lengths))]
    )
    if len(recordings) != len(lengths):
        raise WavuError(f"{named} lists {len(recordings)} files, but {split}.lengths {len(lengths)}; are they of one extraction?")
    ends = [replace(recording, end=float(n * HOP_SECONDS)) for recording, n in zip(recordings, lengths, strict=True)]
    return ends, Ragged(flat, np.concatenate([[0], np.cumsum(lengths)]))


def measured(recording: Recording, *, max_seconds: float) -> list[Recording]:
    """The recording with its end known; in pieces named ``ID-000`` and so on where it is longer than ``max_seconds``."""
    end = recording.end or duration(recording.path)
    if end - recording.start <= max_seconds:
        return [replace(recording, end=max(end, recording.start))]
    parts = pieces(recording.path, recording.start, end, max_seconds=max_seconds)
    return [replace(recording, id=f"{recording.id}-{part:03d}", start=start, end=end) for part, (start, end) in enumerate(parts)]


def in_pieces(recordings: list[Recording], *, max_seconds: float) -> list[Recording]:
    """All recordings, measured."""
    with ThreadPoolExecutor() as pool:
        return list(chain.from_iterable(pool.map(partial(measured, max_seconds=max_seconds), recordings)))


def deal(recordings: list[Recording], *, shard_minutes: float) -> list[list[Recording]]:
    """The recordings, dealt like cards into shards of about ``shard_minutes``, each a fair sample of all."""
    minutes = sum(recording.seconds for recording in recordings) / 60
    shards = min(len(recordings), max(1, int(np.ceil(minutes / shard_minutes))))
    return [recordings[shard::shards] for shard in range(shards)]


def marks_of(recordings: list[Recording]) -> dict[str, str]:
    """By id, a short hash of what is in the file and of which part is meant."""
    paths = {recording.path for recording in recordings}
    with ThreadPoolExecutor() as pool:
        marks = dict(zip(paths, pool.map(_mark, paths), strict=True))
    return {recording.id: fingerprint(marks[recording.path], recording.start, recording.end) for recording in recordings}


def _mark(path: Path | str) -> str:
    return remote.file_mark(path) if is_url(path) else file_fingerprint(path)


def recordings_fingerprint(recordings: list[Recording]) -> str:
    """Short hash of the recordings, of what is in their files and of which part of each is meant."""
    return fingerprint(marks_of(recordings))


def _from_row(manifest: Path | str, line: int, row: dict[str, str]) -> Recording:
    """One row of our own manifest."""
    try:
        start, end = (float(row.get(column) or 0) for column in ("start", "end"))
    except ValueError as error:
        raise WavuError(
            f"{manifest} line {line}: start and end must be seconds, found {row.get('start')!r} and {row.get('end')!r}; correct that line"
        ) from error
    if not row["id"] or not row["path"] or start < 0 or 0 < end <= start:
        raise WavuError(f"{manifest} line {line}: expected an id, a path, and a start before the end; found {list(row.values())}")
    return Recording(row["id"], _beside(manifest, row["path"]), start, end, row.get("speaker") or "")


def _unique(recordings: list[Recording]) -> list[Recording]:
    """The recordings, refused where two share a name."""
    name, times = Counter(recording.id for recording in recordings).most_common(1)[0]
    if times > 1:
        twins = [str(recording.path) for recording in recordings if recording.id == name]
        raise WavuError(f"{times} recordings have the id {name} ({twins[0]}, {twins[1]}); remove one or give a manifest with ids")
    return recordings
