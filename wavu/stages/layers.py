"""Layers of an encoder, each deciphered from a sample of recordings and judged without a label; MFCC beside them."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from wavu.audio import kmeans
from wavu.audio.encoder import load_encoder
from wavu.audio.files import Recording, deal, find_audio, measured, read_manifest, recordings_fingerprint
from wavu.audio.shards import Encoded, encode_audio, tracked
from wavu.audio.side_by_side import MFCC, SideBySide, part
from wavu.audio.vad import speech_spans
from wavu.decipher.measures import usage, worth
from wavu.decipher.search import Matcher, decipher, n_reports
from wavu.errors import WavuError
from wavu.pictures.layers import scores_by_layer
from wavu.pictures.pictures import write_picture
from wavu.prepared import Text
from wavu.progress import say, track
from wavu.ragged import Ragged
from wavu.selection import Judge
from wavu.settings.choose_layer import ChooseLayer
from wavu.stage import Stage, below, fingerprint, finished, folder_fingerprint
from wavu.store import read_json, write_json, write_table
from wavu.text.ngram import read_arpa
from wavu.text.silence import phones_of, with_silence
from wavu.units import HOP_SECONDS, RATE_HZ

MAKES = ("scores.tsv", "layers.png", "rows/*.json", *below("encoded/[0-9]*", ("*.npy", "rows.json")))
COLUMNS = (
    "layer", "score", "spread", "perplexity", "runs_per_second", "phones_per_second", "surprise", "matched", "log_likelihood", "order",
    "known", "lm_perplexity", "suspected_failed",
)  # fmt: skip


def choose_layer(settings: ChooseLayer) -> list[dict]:
    """Encode a sample and score its layers one by one; a row for each, none where that was done before."""
    recordings = _recordings(settings)
    inputs = {
        "recordings": recordings_fingerprint(recordings),
        "encoder": folder_fingerprint(settings.encoder.model),
        "text": fingerprint(finished(settings.text, "prepare_text")),
    }
    stage = Stage(settings, command="choose_layer", inputs=inputs, makes=MAKES)
    if stage.done():
        say(f"{stage.out_dir} is complete")
        return []
    kmeans.check_installed()
    speech_spans(np.zeros(RATE_HZ, np.float32), **settings.vad.plain())  # a missing detector shows here
    encoder = SideBySide(load_encoder(**settings.encoder.plain() | {"layer": settings.encoder.layer or "all"}))
    with stage.run() as counts:
        shards = _encode(_sample(recordings, settings), encoder, settings, stage.out_dir)
        try:
            rows = _rows(shards, encoder.names, settings, stage.out_dir)
        except WavuError:  # other settings are needed, for which a new folder is begun
            shutil.rmtree(stage.out_dir / "encoded")
            raise
        write_table(stage.out_dir / "scores.tsv", rows, COLUMNS)
        write_picture(stage.out_dir / "layers.png", scores_by_layer(rows))
        if not settings.keep_frames:
            shutil.rmtree(stage.out_dir / "encoded")
        shutil.rmtree(stage.out_dir / "rows")
        counts |= _counts(rows, shards)
    return rows


def _recordings(settings: ChooseLayer) -> list[Recording]:
    """What to draw a sample from."""
    if settings.audio_dir:
        return find_audio(settings.audio_dir)
    assert settings.manifest  # the settings have one of the two
    return read_manifest(settings.manifest)


def _sample(recordings: list[Recording], settings: ChooseLayer) -> list[list[Recording]]:
    """Shards of recordings drawn at random, long ones in pieces, enough for the minutes wanted or all there are."""
    drawn: list[Recording] = []
    seconds = 0.0
    for row in np.random.default_rng(settings.seed).permutation(len(recordings)):
        for piece in measured(recordings[row], max_seconds=settings.max_seconds):
            if seconds < 60 * settings.minutes:
                drawn.append(piece)
                seconds += piece.seconds
    return deal(drawn, shard_minutes=settings.shard_minutes)


def _encode(shards: list[list[Recording]], encoder: SideBySide, settings: ChooseLayer, out_dir: Path) -> list[Encoded]:
    """The sample's frames, float16 and on disk; what a run before this one left is not encoded again."""
    folders = [out_dir / "encoded" / f"{shard:05d}" for shard in range(len(shards))]
    todo = [shard for shard, folder in enumerate(folders) if not (folder / "rows.json").exists()]
    limits = settings.plain("vad", "min_seconds", "max_clipped")
    encode = partial(encode_audio, encoder=encoder, with_cepstra=False, **limits)
    for shard, encoded in tracked("encoding", todo, shards, encode):
        half = Ragged(encoded.frames.flat.astype(np.float16), encoded.frames.offsets)
        replace(encoded, frames=half).write(folders[shard])
    found = [Encoded.read(folder) for folder in folders]
    if not any(encoded.kept for encoded in found):
        shutil.rmtree(out_dir / "encoded")
        reasons = sorted({row["reason"] for encoded in found for row in encoded.skipped})
        raise WavuError(f"none of the recordings is of use: {'; '.join(reasons[:3])}")
    return found


def _rows(shards: list[Encoded], names: list[str], settings: ChooseLayer, out_dir: Path) -> list[dict]:
    """The scores of each layer, those of a run before this one as they are."""
    text, decipherment, seed = Text.read(settings.text), settings.decipher, settings.seed
    arpa, noise = read_arpa(settings.text / "phones.arpa"), np.random.default_rng(seed)
    judge = Judge.of(
        phones_of(text), phones=len(text.phones), log10_probability=lambda said: arpa.score(said, text.phones),
        sample=sum(len(shard.frames.flat) for shard in shards) // 5, seed=seed, phones_per_second=None,
        weights=settings.selection.plain(),
    )  # fmt: skip
    texts = [with_silence(text, generator=noise, probability=guess, surround=False) for guess in decipherment.silence_probability]
    guesses = len(texts) * len(decipherment.search.frames_per_phone)
    steps = settings.repeats * n_reports(guesses=guesses, **decipherment.search.plain("rounds", "iterations"))
    rows = []
    with track("deciphering", steps * len(names), "steps") as advance:
        for name in names:
            saved = out_dir / "rows" / f"{name}.json"
            if not saved.exists():
                frames = Ragged.join([Ragged(part(shard.frames.flat, names, name), shard.frames.offsets) for shard in shards])
                report = partial(_told, advance, name)
                write_json(saved, {"layer": name, **_scores(frames, texts, judge, settings, report)})
            else:
                advance(steps)
            rows.append(read_json(saved))
    return rows


def _told(advance: Callable[..., None], name: str, note: str) -> None:
    """One step of the decipherment of a layer."""
    advance(note=f"{_named(name)}: {note}")


def _scores(frames: Ragged, texts: list[Ragged], judge: Judge, settings: ChooseLayer, report: Callable[[str], None]) -> dict:
    """Means over some decipherments of frames (N, D'), each from other units, and the ``spread`` of their scores.

    spread: their standard deviation. suspected_failed: of the best of them.
    """
    seeds = range(settings.seed, settings.seed + settings.repeats)
    runs = [_deciphered(frames, texts, judge, settings, seed, report) for seed in seeds]
    means = {name: float(np.mean([run[name] for run in runs])) for name in runs[0] if name != "suspected_failed"}
    spread = float(np.std([run["score"] for run in runs]))
    return means | {"spread": spread, "suspected_failed": _best(runs)["suspected_failed"]}


def _deciphered(
    frames: Ragged, texts: list[Ragged], judge: Judge, settings: ChooseLayer, seed: int, report: Callable[[str], None]
) -> dict:
    """Units of frames (N, D'), deciphered and measured."""
    units, seconds = _units(frames, settings, seed), len(frames.flat) * HOP_SECONDS
    matcher = Matcher(units, n_units=settings.kmeans.clusters, seed=seed, **settings.decipher.matching.plain())
    found = decipher(units, texts, matcher=matcher, n_phones=judge.phones, report=report, **settings.decipher.search.plain())
    noise = np.random.default_rng(seed)
    measures, said, heard = worth(found, units, texts[found.text], matcher=matcher, generator=noise)
    return {
        **usage(units, n_units=settings.kmeans.clusters),
        **measures,
        "lm_perplexity": judge.score(heard, seconds=seconds)["lm_perplexity"],
        "suspected_failed": judge.suspect(judge.score(said, seconds=seconds)) or "",
    }


def _units(frames: Ragged, settings: ChooseLayer, seed: int) -> Ragged:
    """The k-means cluster of each frame (N, D'), fitted to these very frames."""
    n = len(frames.flat)
    some = np.sort(np.random.default_rng(seed).choice(n, min(n, settings.frames), replace=False))
    centroids = kmeans.fit_kmeans(frames.flat[some].astype(np.float32), **settings.kmeans.plain(), seed=seed)
    return Ragged(kmeans.assign(frames.flat, centroids), frames.offsets)


def _counts(rows: list[dict], shards: list[Encoded]) -> dict:
    """What was looked at and what came of it, for stage.json."""
    return {
        "layers": len(rows) - 1,
        "utterances": sum(len(shard.kept) for shard in shards),
        "skipped": sum(len(shard.skipped) for shard in shards),
        "speech_seconds": round(sum(len(shard.frames.flat) for shard in shards) * HOP_SECONDS, 2),
        "chosen": _best(rows)["layer"],
        "scores": {row["layer"]: round(row["score"], 4) for row in rows},
        "suspected_failed": _best(rows)["suspected_failed"] or None,
    }


def _best(rows: list[dict]) -> dict:
    """The row with the highest score; the earliest of equals."""
    return max(rows, key=lambda row: row["score"])


def recommend(rows: list[dict], model: str) -> None:
    """Say what to give prepare_audio, how sure that is, and where it means nothing."""
    layers = [row for row in rows if row["layer"] != MFCC]
    best, mfcc = _best(layers), _best([row for row in rows if row["layer"] == MFCC])
    close = [row["layer"] for row in layers if row is not best and _gap(best, row) < 1]
    if close:
        say(f"as good as layer {best['layer']}, as far as this can tell: {', '.join(close)}")
    if best["suspected_failed"]:
        say(
            f"warning: even layer {best['layer']} was not deciphered ({best['suspected_failed']}); the layers' order means little"
        )
    say(
        f"layer {best['layer']} scores {best['score']:.3f}, the best of the layers: "
        f"give wavu.prepare_audio encoder={model} encoder.layer={best['layer']}"
    )
    if mfcc["score"] > best["score"]:
        doubt = "" if _gap(mfcc, best) >= 1 else ", as far as this can tell no better"
        say(f"but MFCC, which need no model, score {mfcc['score']:.3f}{doubt}: encoder=mfcc")


def _gap(one: dict, other: dict) -> float:
    """By how much a score is above another, in standard deviations of their difference over decipherments."""
    return (one["score"] - other["score"]) / max(1e-9, np.hypot(one["spread"], other["spread"]))


def _named(name: str) -> str:
    return "MFCC" if name == MFCC else f"layer {name}"
