"""Recordings to frames, acoustic units and segments: VAD, encoder, k-means, PCA, segmentation, shard by shard."""

import math
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from wavu.audio import kmeans
from wavu.audio.dealt import DEALT, Piece, by_shard, deal_on, read_dealt, write_dealt
from wavu.audio.files import Recording, find_audio, marks_of, read_manifest, read_precomputed
from wavu.audio.frontend import FRONT_END, FrontEnd, centred
from wavu.audio.seen import has_seen
from wavu.audio.shards import Encoded, write_skipped
from wavu.audio.vad import speech_spans
from wavu.cores import cores
from wavu.device import one_thread
from wavu.errors import WavuError
from wavu.executor import Work, spread
from wavu.progress import say, track
from wavu.ragged import Ragged
from wavu.seal import SEALED, read_rows
from wavu.settings.audio import HuggingFace, Precomputed, PrepareAudio
from wavu.stage import Stage, below, fingerprint, folder_fingerprint, languages_taught
from wavu.stages.shard import encode_shard, encoder_of, finish_shard, folder_of, let_go, settled, unfit
from wavu.store import write_table
from wavu.units import RATE_HZ, duration_words

MANIFEST = ("id", "path", "start", "end", "speaker", "shard", "frames", "segments")
MAKES = ("manifest.tsv", "skipped.tsv", DEALT, "jobs/*", *FRONT_END)
MAKES += (*below("shards/[0-9]*", SEALED), *below("encoded/[0-9]*", SEALED))
PCA_DIM = 512  # where the encoder has more (Baevski et al. 2021)


def prepare_audio(settings: PrepareAudio) -> None:
    """Find the recordings, refuse what cannot work, then do what is not done yet."""
    recordings = _recordings(settings)
    marks, encoder = marks_of(recordings), settings.encoder
    source = str(encoder.folder) if isinstance(encoder, Precomputed) else getattr(encoder, "model", None)
    inputs = {"recordings": fingerprint(marks), "encoder": folder_fingerprint(source)}
    stage = Stage(settings, command="prepare_audio", inputs=inputs, makes=MAKES, grows="recordings")
    complete = stage.done()
    before = [] if settings.overwrite else read_dealt(stage.out_dir)
    pieces = _dealt(before, recordings, marks, settings)
    shards = by_shard(pieces)
    todo = _unfit(shards, "shards", stage.out_dir) if before else list(shards)
    if complete and not todo and shards.keys() == by_shard(before).keys():
        _front_end_there(stage.out_dir)
        say(f"{stage.out_dir} is complete")
        return
    try:
        output_dim = _checked(settings)
        with stage.run() as counts, one_thread():
            write_dealt(stage.out_dir, pieces)
            front = _front_end(shards, output_dim, settings, stage.out_dir)
            _spread("encoding", finish_shard, todo, shards, settings, stage.out_dir)
            _clear(shards, stage.out_dir)
            counts |= _tables(sorted(shards), front, stage.out_dir)
    finally:
        let_go()
    say(_in_words(counts, stage.out_dir))


def _recordings(settings: PrepareAudio) -> list[Recording]:
    """What to work on."""
    if isinstance(settings.encoder, Precomputed):
        return read_precomputed(settings.encoder.folder, settings.encoder.split)[0]
    if settings.audio_dir:
        return find_audio(settings.audio_dir)
    assert settings.manifest  # the settings have one of the two
    return read_manifest(settings.manifest)


def _dealt(before: list[Piece], recordings: list[Recording], marks: dict[str, str], settings: PrepareAudio) -> list[Piece]:
    """All recordings in shards, long ones in pieces; those of a run before this one stay where they are."""
    longest = math.inf if isinstance(settings.encoder, Precomputed) else settings.max_seconds
    pieces = deal_on(before, recordings, marks, max_seconds=longest, shard_minutes=settings.shard_minutes)
    there = {(piece.of, piece.mark) for piece in pieces}
    gone = sorted({piece.of for piece in before if (piece.of, piece.mark) not in there})
    if gone:
        say(f"{len(gone):,} recordings have changed or are gone, such as {gone[0]}; the shards that they were in are made anew")
    return pieces


def _unfit(shards: dict[int, list[Piece]], kind: str, out_dir: Path) -> list[int]:
    """The shards that are missing, damaged or of other recordings; every byte of the others is read."""
    with ThreadPoolExecutor(cores()) as pool, track("verifying", len(shards), "shards") as advance:
        verdicts = pool.map(lambda shard: unfit(folder_of(out_dir, kind, shard), shards[shard]), shards)
        todo = []
        for shard, verdict in zip(shards, verdicts, strict=True):
            advance()
            if verdict is not None:
                todo.append(shard)
            if verdict:
                say(f"warning: {verdict}; shard {shard} is made anew")
    return todo


def _checked(settings: PrepareAudio) -> int:
    """Dims after PCA; what cannot work is refused before anything is written.

    Raises:
        WavuError: FAISS, the detector of speech or the encoder is missing, or the encoder has fewer dims.
    """
    kmeans.check_installed()
    model = settings.encoder.model if isinstance(settings.encoder, HuggingFace) else None
    if seen := languages_taught(model) if model else None:
        say(f"note: labels of {', '.join(seen)} have touched this encoder; for these languages, what follows is not unsupervised")
    if isinstance(settings.encoder, Precomputed):
        dim = read_precomputed(settings.encoder.folder, settings.encoder.split)[1].flat.shape[1]
    else:
        speech_spans(np.zeros(RATE_HZ, np.float32), **settings.vad.plain())
        dim = encoder_of(settled(settings.encoder.plain(), Path.cwd())).dim
    wanted = settings.pca.dim
    if wanted is not None and wanted > dim:
        raise WavuError(
            f"pca.dim={wanted}, but the encoder has {dim} dims; give 1 to {dim}, or null for all of them up to {PCA_DIM}"
        )
    return wanted or min(dim, PCA_DIM)


def _spread(
    what: str, work: Work, todo: list[int], shards: dict[int, list[Piece]], settings: PrepareAudio, out_dir: Path
) -> None:
    """Do the work on the shards ``todo``, wherever the settings say, under a progress line."""
    minutes = {shard: sum(piece.recording.seconds for piece in shards[shard]) / 60 for shard in todo}
    with track(what, sum(minutes.values()), "min") as advance:
        for shard in spread(work, out_dir, todo, **settings.executor.plain()):
            advance(minutes[shard])


def _front_end(shards: dict[int, list[Piece]], dim: int, settings: PrepareAudio, out_dir: Path) -> FrontEnd:
    """The fitted front end: what a run before this one left, or fitted now."""
    if (out_dir / "shards").exists() or (out_dir / "frontend" / "frontend.safetensors").exists():
        return _front_end_there(out_dir)
    sample = _sample(shards, settings.sample.hours)
    try:
        todo = _unfit({shard: shards[shard] for shard in sample}, "encoded", out_dir)
        _spread("encoding a sample", encode_shard, todo, shards, settings, out_dir)
    except WavuError:
        if not list(out_dir.glob("encoded/*/rows.json")):  # nothing was achieved, and nothing is left
            (out_dir / DEALT).unlink()
        raise
    try:
        front = _fit([folder_of(out_dir, "encoded", shard) for shard in sample], dim, settings)
    except WavuError:  # other settings are needed, for which these frames are of no use
        shutil.rmtree(out_dir / "encoded")
        (out_dir / DEALT).unlink()
        raise
    front.write(out_dir / "frontend")
    return front


def _front_end_there(out_dir: Path) -> FrontEnd:
    """The front end of a run before this one.

    Raises:
        WavuError: it is damaged.
    """
    try:
        return FrontEnd.read(out_dir / "frontend")
    except WavuError as error:
        raise WavuError(
            f"the front end in {out_dir / 'frontend'} is damaged, and all shards hang on it; copy frontend/ from a folder that "
            "was made of this one, such as that of gan_train or self_train, or begin again with overwrite=true"
        ) from error


def _sample(shards: dict[int, list[Piece]], hours: float) -> list[int]:
    """Shards from the first to the last, about enough for so many hours: neighbours are often of one speaker."""
    numbers = sorted(shards)
    there = sum(piece.recording.seconds for pieces in shards.values() for piece in pieces) / 3600
    wanted = math.ceil(len(numbers) * min(1.0, hours / max(there, 1e-9)))
    return [numbers[place] for place in np.linspace(0, len(numbers) - 1, wanted).round().astype(int)]


def _fit(sample: list[Path], dim: int, settings: PrepareAudio) -> FrontEnd:
    """K-means and PCA fitted to frames drawn from the sample's shards; the k-means of targets, if wanted, to the MFCC beside them."""
    level = isinstance(settings.encoder, HuggingFace)  # MFCC are level by nature; frames of the original were not
    lengths = [len(Encoded.read(folder).frames.flat) for folder in sample]
    heard = (Encoded.read(folder) for folder in sample)  # one mapped at a time: what was looked at of a map lies in memory
    frames = _draw(
        (centred(shard.frames).flat if level else shard.frames.flat for shard in heard),
        lengths,
        settings.sample.frames,
        settings.seed,
    )
    if not len(frames):
        reasons = sorted({row["reason"] for folder in sample for row in Encoded.read(folder).skipped})
        raise WavuError(f"none of the recordings is of use: {'; '.join(reasons[:3])}")
    kept = settings.plain("vad", "encoder", "segment", "min_seconds", "max_seconds")
    model = kept["encoder"].get("model")
    kept["has_seen"] = has_seen(kept["encoder"], languages_taught(model) if model else None)
    kept["encoder"] = settled(kept["encoder"], Path.cwd())
    kmeans, seed = settings.kmeans.plain(), settings.seed
    front = FrontEnd.fit(frames, settings=kept, kmeans=kmeans, dim=dim, bits=settings.pca.bits, seed=seed, levelled=level)
    if not settings.targets.clusters:
        return front
    heard = (Encoded.read(folder) for folder in sample)
    cepstra = _draw((shard.cepstra.flat for shard in heard if shard.cepstra is not None), lengths, settings.sample.frames, seed)
    return front.with_targets(cepstra, kmeans=kmeans | settings.targets.plain(), seed=seed)


def _draw(flats: Iterable[np.ndarray], lengths: list[int], n: int, seed: int) -> np.ndarray:
    """At most ``n`` rows (n, D), drawn evenly from all arrays (N, D) of these lengths together."""
    edges = np.cumsum([0, *lengths])
    rows = np.sort(np.random.default_rng(seed).choice(edges[-1], min(n, edges[-1]), replace=False))
    inside = [rows[slice(*np.searchsorted(rows, edges[part : part + 2]))] - edges[part] for part in range(len(lengths))]
    return np.concatenate([flat[chosen] for flat, chosen in zip(flats, inside, strict=True)])


def _clear(shards: dict[int, list[Piece]], out_dir: Path) -> None:
    """Take away what is of use only while shards are made, and shards of which all recordings are gone."""
    there = {folder_of(out_dir, "shards", shard) for shard in shards}
    for folder in (out_dir / "encoded", out_dir / "jobs", *(set((out_dir / "shards").iterdir()) - there)):
        shutil.rmtree(folder, ignore_errors=True)


def _tables(shards: list[int], front: FrontEnd, out_dir: Path) -> dict:
    """Write ``manifest.tsv`` and ``skipped.tsv`` from the finished shards; the counts of ``stage.json``."""
    folders = [folder_of(out_dir, "shards", shard) for shard in shards]
    rows = [read_rows(folder) for folder in folders]
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
