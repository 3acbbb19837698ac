"""Which recordings lie in which shard: dealt once and written down, so that what is added later moves nobody."""

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from wavu.audio.files import Recording, deal, measured
from wavu.errors import WavuError
from wavu.settings.base import is_url
from wavu.stage import fingerprint
from wavu.store import write_text

DEALT = "recordings.jsonl"


@dataclass(frozen=True)
class Piece:
    """A recording, or its part, in a shard. of: the id under which it was found. mark: what was in the file then."""

    recording: Recording
    shard: int
    of: str
    mark: str


def write_dealt(folder: Path, pieces: Iterable[Piece]) -> None:
    """Write ``recordings.jsonl``, a line for each piece: paths may hold what no table can."""
    rows = ([one.shard, one.of, one.mark, *_row(one.recording)] for one in pieces)
    write_text(folder / DEALT, "".join(json.dumps(row) + "\n" for row in rows))


def read_dealt(folder: Path) -> list[Piece]:
    """What :func:`write_dealt` wrote; nothing where there is no such file.

    Raises:
        WavuError: the file is damaged.
    """
    path = folder / DEALT
    if not path.exists():
        return []
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return [
            Piece(Recording(name, where if is_url(where) else Path(where), start, end, speaker), shard, of, mark)
            for shard, of, mark, name, where, start, end, speaker in rows
        ]
    except (OSError, ValueError, TypeError) as error:
        raise WavuError(f"{path} is damaged ({error}); add overwrite=true to begin again") from error


def deal_on(
    before: list[Piece], recordings: list[Recording], marks: dict[str, str], *, max_seconds: float, shard_minutes: float
) -> list[Piece]:
    """Recordings in shards: those that are as they were stay where they lie, all others are dealt into further shards.

    marks: of each id, as :func:`wavu.audio.files.marks_of` gives them. A recording that changed is one that vanished and
    another that came.
    """
    found = {recording.id: recording for recording in recordings}
    same = [piece for piece in before if marks.get(piece.of) == piece.mark]
    kept = [_as_found(piece, found[piece.of]) for piece in same]
    known, first = {piece.of for piece in kept}, max((piece.shard for piece in before), default=-1) + 1
    fresh = [recording for recording in recordings if recording.id not in known]
    if not fresh:
        return kept
    with ThreadPoolExecutor() as pool:
        parts = list(pool.map(partial(measured, max_seconds=max_seconds), fresh))
    whole = {piece.id: recording.id for recording, pieces in zip(fresh, parts, strict=True) for piece in pieces}
    shards = deal([piece for pieces in parts for piece in pieces], shard_minutes=shard_minutes)
    return kept + [
        Piece(piece, first + number, whole[piece.id], marks[whole[piece.id]])
        for number, shard in enumerate(shards)
        for piece in shard
    ]


def by_shard(pieces: Iterable[Piece]) -> dict[int, list[Piece]]:
    """The pieces of each shard."""
    shards: dict[int, list[Piece]] = {}
    for piece in pieces:
        shards.setdefault(piece.shard, []).append(piece)
    return shards


def contents(pieces: list[Piece]) -> str:
    """Short hash of what a shard is to be made of, wherever the files lie."""
    return fingerprint([(piece.mark, *_row(replace(piece.recording, path=Path()))) for piece in pieces])


def _row(recording: Recording) -> list:
    return [recording.id, str(recording.path), recording.start, recording.end, recording.speaker]


def _as_found(piece: Piece, found: Recording) -> Piece:
    """The piece at the place and of the speaker that are told now."""
    return replace(piece, recording=replace(piece.recording, path=found.path, speaker=found.speaker))
