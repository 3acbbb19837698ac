"""Recordings to frames, acoustic units and segments: VAD, encoder, k-means, PCA, segmentation, shard by shard."""

import shutil
from collections.abc import Iterable
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from wavu.audio import kmeans
from wavu.audio.encoder import load_encoder
from wavu.audio.files import Recording, deal, find_audio, in_pieces, read_manifest, read_precomputed, recordings_fingerprint
from wavu.audio.frontend import FRONT_END, FrontEnd, centred
from wavu.audio.seen import has_seen
from wavu.audio.shards import Encode, Encoded, encode_audio, slice_frames, tracked, write_skipped
from wavu.audio.vad import speech_spans
from wavu.errors import WavuError
from wavu.progress import say
from wavu.ragged import Ragged
from wavu.settings.audio import HuggingFace, Precomputed, PrepareAudio
from wavu.stage import Stage, below, folder_fingerprint, languages_taught
from wavu.store import read_json, write_json, write_table
from wavu.units import RATE_HZ, duration_words

MANIFEST = ("id", "path", "start", "end", "speaker", "shard", "frames", "segments")
SHARD = ("*.npy", "rows.json")
MAKES = ("manifest.tsv", "skipped.tsv", *FRONT_END, *below("shards/[0-9]*", SHARD), *below("encoded/[0-9]*", SHARD))
PCA_DIM = 512  # where the encoder has more (Baevski et al. 2021)


def prepare_audio(settings: PrepareAudio) -> None:
    """Find the recordings, refuse what cannot work, then do the stage."""
    recordings, precomputed = _recordings(settings)
    encoder, model = settings.encoder, settings.encoder.model if isinstance(settings.encoder, HuggingFace) else None
    source = str(encoder.folder) if isinstance(encoder, Precomputed) else model
    inputs = {"recordings": recordings_fingerprint(recordings), "encoder": folder_fingerprint(source)}
    stage = Stage(settings, command="prepare_audio", inputs=inputs, makes=MAKES)
    if stage.done():
        say(f"{stage.out_dir} is complete")
        return
    kmeans.check_installed()
    if seen := languages_taught(model) if model else None:
        say(f"note: labels of {', '.join(seen)} have touched this encoder; for these languages, what follows is not unsupervised")
    if precomputed:
        dim, encode = precomputed.flat.shape[1], partial(slice_frames, recordings=recordings, frames=precomputed)
    else:
        speech_spans(np.zeros(RATE_HZ, np.float32), **settings.vad.plain())  # a missing detector shows here, not in an hour
        loaded = load_encoder(**encoder.plain())
        limits = settings.plain("vad", "min_seconds", "max_clipped")
        dim, encode = loaded.dim, partial(encode_audio, encoder=loaded, with_cepstra=bool(settings.targets.clusters), **limits)
    output_dim = _output_dim(settings.pca.dim, dim)
    with stage.run() as counts:
        shards = _shards(recordings, settings)
        front = _front_end(shards, encode, output_dim, settings, stage.out_dir)
        _finish(shards, encode, front, settings.keep_frames, stage.out_dir)
        shutil.rmtree(stage.out_dir / "encoded", ignore_errors=True)
        counts |= _tables(len(shards), front, stage.out_dir)
    say(_in_words(counts, stage.out_dir))


def _recordings(settings: PrepareAudio) -> tuple[list[Recording], Ragged | None]:
    """What to work on and, where the encoder's work is already done, its frames."""
    if isinstance(settings.encoder, Precomputed):
        return read_precomputed(settings.encoder.folder, settings.encoder.split)
    if settings.audio_dir:
        return find_audio(settings.audio_dir), None
    assert settings.manifest  # the settings have one of the two
    return read_manifest(settings.manifest), None


def _output_dim(wanted: int | None, dim: int) -> int:
    """Dims after PCA, refused before any work where the encoder has fewer."""
    if wanted is not None and wanted > dim:
        raise WavuError(
            f"pca.dim={wanted}, but the encoder has {dim} dims; give 1 to {dim}, or null for all of them up to {PCA_DIM}"
        )
    return wanted or min(dim, PCA_DIM)


def _shards(recordings: list[Recording], settings: PrepareAudio) -> list[list[Recording]]:
    """Recordings, long ones in pieces, dealt into shards."""
    if not isinstance(settings.encoder, Precomputed):
        recordings = in_pieces(recordings, max_seconds=settings.max_seconds)
    return deal(recordings, shard_minutes=settings.shard_minutes)


def _front_end(shards: list[list[Recording]], encode: Encode, dim: int, settings: PrepareAudio, out_dir: Path) -> FrontEnd:
    """The fitted front end: what a run before this one left, or fitted now."""
    folder = out_dir / "frontend"
    if (folder / "frontend.safetensors").exists():
        return FrontEnd.read(folder)
    sample = _encode_sample(shards, encode, settings, out_dir)
    try:
        front = _fit(sample, dim, settings)
    except WavuError:  # other settings are needed, for which these frames are of no use
        shutil.rmtree(out_dir / "encoded")
        raise
    front.write(folder)
    return front


def _encode_sample(shards: list[list[Recording]], encode: Encode, settings: PrepareAudio, out_dir: Path) -> list[Path]:
    """Encode the first shards, enough for ``sample.hours``, into folders that last until the shards are finished."""
    hours = np.cumsum([sum(recording.seconds for recording in shard) / 3600 for shard in shards])
    size = min(len(shards), int(np.searchsorted(hours, settings.sample.hours)) + 1)
    todo = [shard for shard in range(size) if not _whole(out_dir, "encoded", shard)]
    for shard, encoded in tracked("encoding a sample", todo, shards, encode):
        encoded.write(_folder(out_dir, "encoded", shard))
    return [_folder(out_dir, "encoded", shard) for shard in range(size)]


def _fit(sample: list[Path], dim: int, settings: PrepareAudio) -> FrontEnd:
    """K-means and PCA fitted to frames drawn from the sample's shards; the k-means of targets, if wanted, to the MFCC beside them."""
    level = isinstance(settings.encoder, HuggingFace)  # MFCC are level by nature; frames of the original were not
    encoded = [Encoded.read(folder) for folder in sample]  # memory-maps
    lengths = [len(shard.frames.flat) for shard in encoded]
    flats = (centred(shard.frames).flat if level else shard.frames.flat for shard in encoded)  # one in memory at a time
    frames = _draw(flats, lengths, settings.sample.frames, settings.seed)
    if not len(frames):
        reasons = sorted({row["reason"] for shard in encoded for row in shard.skipped})
        raise WavuError(f"none of the recordings is of use: {'; '.join(reasons[:3])}")
    kept = settings.plain("vad", "encoder", "segment", "min_seconds", "max_seconds")
    model = kept["encoder"].get("model")
    kept["has_seen"] = has_seen(kept["encoder"], languages_taught(model) if model else None)
    if model and Path(model).is_dir():  # so that the folder is found from any other
        kept["encoder"]["model"] = str(Path(model).absolute())
    kmeans, seed = settings.kmeans.plain(), settings.seed
    front = FrontEnd.fit(frames, settings=kept, kmeans=kmeans, dim=dim, seed=seed, levelled=level)
    if not settings.targets.clusters:
        return front
    cepstra = _draw((shard.cepstra.flat for shard in encoded if shard.cepstra), lengths, settings.sample.frames, seed)
    return front.with_targets(cepstra, kmeans=kmeans | settings.targets.plain(), seed=seed)


def _draw(flats: Iterable[np.ndarray], lengths: list[int], n: int, seed: int) -> np.ndarray:
    """At most ``n`` rows (n, D), drawn evenly from all arrays (N, D) of these lengths together."""
    edges = np.cumsum([0, *lengths])
    rows = np.sort(np.random.default_rng(seed).choice(edges[-1], min(n, edges[-1]), replace=False))
    inside = [rows[slice(*np.searchsorted(rows, edges[part : part + 2]))] - edges[part] for part in range(len(lengths))]
    return np.concatenate([flat[chosen] for flat, chosen in zip(flats, inside, strict=True)])


def _finish(shards: list[list[Recording]], encode: Encode, front: FrontEnd, keep_frames: bool, out_dir: Path) -> None:
    """Frames, units and segments of every shard, from the encoded sample while it lasts, then from the encoder."""
    todo = [shard for shard in range(len(shards)) if not _whole(out_dir, "shards", shard)]
    sampled = [shard for shard in todo if _whole(out_dir, "encoded", shard)]
    from_disk = ((shard, Encoded.read(_folder(out_dir, "encoded", shard))) for shard in sampled)
    fresh = tracked("encoding", [shard for shard in todo if shard not in sampled], shards, encode)
    for shard, encoded in chain(from_disk, fresh):
        folder, done = _folder(out_dir, "shards", shard), front.segment(encoded.frames)
        arrays = {
            "frames": done.frames,
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
        kept = [row | {"shard": shard, "frames": frames, "segments": segments} for row, frames, segments in lengths]
        write_json(folder / "rows.json", {"kept": kept, "skipped": encoded.skipped})
        shutil.rmtree(_folder(out_dir, "encoded", shard), ignore_errors=True)


def _tables(n_shards: int, front: FrontEnd, out_dir: Path) -> dict:
    """Write ``manifest.tsv`` and ``skipped.tsv`` from the finished shards; the counts of ``stage.json``."""
    folders = [_folder(out_dir, "shards", shard) for shard in range(n_shards)]
    rows = [read_json(folder / "rows.json") for folder in folders]
    kept, skipped = ([row for shard in rows for row in shard[part]] for part in ("kept", "skipped"))
    write_table(out_dir / "manifest.tsv", kept, MANIFEST)
    write_skipped(out_dir / "skipped.tsv", skipped)
    spans = (Ragged.read(folder, "spans").flat for folder in folders)  # one open at a time
    speech = sum(float((span[:, 1] - span[:, 0]).sum(dtype=float)) for span in spans)
    segments = sum(row["segments"] for row in kept)
    return {
        "files": len({row["path"] for row in kept}),
        "utterances": len(kept),
        "skipped": len(skipped),
        "audio_seconds": round(sum(row["end"] - row["start"] for row in kept), 2),
        "speech_seconds": round(speech, 2),
        "frames": sum(row["frames"] for row in kept),
        "segments": segments,
        "clusters": len(front.centroids),
        "dim": front.directions.shape[1],
        "encoder_has_seen": front.settings["has_seen"]["what"],
        "segments_per_second": round(segments / speech, 2),
    } | ({} if front.target_centroids is None else {"targets": len(front.target_centroids)})


def _in_words(counts: dict, out_dir: Path) -> str:
    """The outcome as one line."""
    targets = f", {counts['targets']} targets" if "targets" in counts else ""
    return (
        f"{out_dir}: {counts['utterances']:,} utterances, {duration_words(counts['audio_seconds'])} of audio, "
        f"{duration_words(counts['speech_seconds'])} of it speech; {counts['frames']:,} frames of {counts['dim']} dims and {counts['clusters']} units{targets}, "
        f"{counts['segments_per_second']:.1f} segments per second; {counts['skipped']} skipped; the encoder has seen {counts['encoder_has_seen']}"
    )


def _folder(out_dir: Path, kind: str, shard: int) -> Path:
    return out_dir / kind / f"{shard:05d}"


def _whole(out_dir: Path, kind: str, shard: int) -> bool:
    """Whether a shard's folder is complete: its ``rows.json`` is written last."""
    return (_folder(out_dir, kind, shard) / "rows.json").exists()
