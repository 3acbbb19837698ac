"""One shard of a folder of prepare_audio, encoded or finished by any process that sees the folder.

All that such a process must know lies there: settings in ``plan.json``, recordings in ``recordings.jsonl``, and the front end.
"""

import json
import shutil
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from threading import Lock

from wavu.audio.dealt import DEALT, Piece, by_shard, contents, read_dealt
from wavu.audio.encoder import Encoder, load_encoder
from wavu.audio.files import Recording, read_precomputed
from wavu.audio.frontend import FrontEnd
from wavu.audio.remote import fetched
from wavu.audio.shards import Encoded, encode_heard, hear, slice_frames
from wavu.device import one_thread
from wavu.eight_bits import packed
from wavu.ragged import Ragged
from wavu.seal import damage, read_rows, seal
from wavu.settings.audio import Precomputed, PrepareAudio
from wavu.settings.base import is_url
from wavu.settings.mistakes import checked
from wavu.store import read_json

_LOADING, _ENCODING = Lock(), Lock()  # an encoder takes a whole processor: other shards are read and written meanwhile


def encode_shard(folder: Path, shard: int) -> None:
    """Encode a shard into ``encoded/``, for the fit of the front end."""
    with one_thread():
        pieces = _dealt(folder)[shard]
        _encoded(folder, pieces).write(folder_of(folder, "encoded", shard), of=contents(pieces))


def finish_shard(folder: Path, shard: int) -> None:
    """Write frames, units and segments of a shard: from its frames in ``encoded/`` where they are, else from its recordings."""
    with one_thread():
        pieces, source = _dealt(folder)[shard], folder_of(folder, "encoded", shard)
        encoded = Encoded.read(source) if unfit(source, pieces) is None else _encoded(folder, pieces)
        target = folder_of(folder, "shards", shard)
        rows = _write(encoded, FrontEnd.read(folder / "frontend"), _settings(folder).keep_frames, target)
        kept = [row | {"shard": shard} for row in rows]
        seal(target, {"kept": kept, "skipped": encoded.skipped, "of": contents(pieces)})
        shutil.rmtree(source, ignore_errors=True)


def unfit(folder: Path, pieces: list[Piece]) -> str | None:
    """None where the folder of a shard is whole; else what is damaged, or "" where it is not there or of other recordings."""
    if not (folder / "rows.json").exists():
        return ""
    return damage(folder) or (None if read_rows(folder)["of"] == contents(pieces) else "")


def folder_of(out_dir: Path, kind: str, shard: int) -> Path:
    """Where a shard lies. kind: ``encoded`` or ``shards``."""
    return out_dir / kind / f"{shard:05d}"


def settled(encoder: dict, working_folder: str | Path) -> dict:
    """Settings of an encoder, its folder named so that it is found from any other folder."""
    places = {name: Path(working_folder, encoder[name]) for name in ("model", "folder") if name in encoder}
    return encoder | {name: str(place) for name, place in places.items() if place.is_dir()}


def encoder_of(encoder: dict) -> Encoder:
    """The encoder of these settings, loaded once in a process."""
    with _LOADING:
        return _loaded(json.dumps(encoder))


def let_go() -> None:
    """Give back the memory of what shards were encoded with."""
    _loaded.cache_clear()
    _precomputed.cache_clear()


@lru_cache(maxsize=1)
def _loaded(encoder: str) -> Encoder:
    return load_encoder(**json.loads(encoder))


@lru_cache(maxsize=1)
def _precomputed(folder: Path, split: str) -> tuple[list[Recording], Ragged]:
    return read_precomputed(folder, split)


def _dealt(folder: Path) -> dict[int, list[Piece]]:
    """The pieces of each shard, as they are written down now."""
    return _dealt_at(folder, (folder / DEALT).stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _dealt_at(folder: Path, written: int) -> dict[int, list[Piece]]:
    return by_shard(read_dealt(folder))


def _settings(folder: Path) -> PrepareAudio:
    config = read_json(folder / "plan.json")["config"]
    return checked(PrepareAudio, config | {"out_dir": str(folder)}, command="prepare_audio")


def _encoded(folder: Path, pieces: list[Piece]) -> Encoded:
    """Recordings through reader, VAD and encoder; or their slices of frames that are there already."""
    settings, recordings = _settings(folder), [piece.recording for piece in pieces]
    encoder = settled(settings.encoder.plain(), read_json(folder / "plan.json")["working_folder"])
    if isinstance(settings.encoder, Precomputed):
        everyone, frames = _precomputed(Path(encoder["folder"]), encoder["split"])
        return next(slice_frames([recordings], recordings=everyone, frames=frames))
    with fetched([recording.path for recording in recordings]) as here:
        there = [replace(recording, path=here[recording.path]) for recording in recordings]
        heard = hear(there, **settings.plain("vad", "min_seconds", "max_clipped"))
    with _ENCODING:
        encoded = encode_heard(heard, encoder=encoder_of(encoder), with_cepstra=bool(settings.targets.clusters))
    came_from = {str(path): str(place) for place, path in here.items() if is_url(place)}
    for row in (*encoded.kept, *encoded.skipped):
        row["path"] = came_from.get(row["path"], row["path"])
    return encoded


def _write(encoded: Encoded, front: FrontEnd, keep_frames: bool, folder: Path) -> list[dict]:
    """Write the arrays of a finished shard; a row for each utterance."""
    done = front.segment(encoded.frames)
    arrays = {
        "frames": done.frames if front.steps is None else Ragged(packed(done.frames.flat, front.steps), done.frames.offsets),
        "units": done.units,
        "segments": done.segments,
        "starts": done.starts,
        "spans": encoded.spans,
    }
    if keep_frames:
        arrays["encoded"] = encoded.frames
    if encoded.cepstra is not None:
        arrays["targets"] = front.targets(encoded.cepstra)
    for name, array in arrays.items():
        array.write(folder, name)
    lengths = zip(encoded.kept, done.frames.lengths.tolist(), done.segments.lengths.tolist(), strict=True)
    return [row | {"frames": frames, "segments": segments} for row, frames, segments in lengths]
