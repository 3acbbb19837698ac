"""Recordings in, the discrete codes of a pre-trained model out: how often each is used, and which languages use the same ones.

    python -m wavu.codebook model=runs/pretrained audio=recordings out_dir=runs/codes
    python -m wavu.codebook model=facebook/wav2vec2-large-xlsr-53 'audio={es: spanish, de: german}' out_dir=runs/codes

A model that was pre-trained as wav2vec 2.0 takes for each frame of 20 ms one code from each of its codebooks. usage.tsv counts them;
two or more languages (or speakers of a table, or folders below audio=) are drawn as points, those near each other that use the codes
alike (Conneau et al. 2020). Recordings are heard whole unless vad= says otherwise. Which phone is said where a code is taken is shown by

    python -m wavu.evaluate codes=runs/codes alignments=times.tsv pictures=runs/pictures
"""

import shutil
from functools import partial
from pathlib import Path

import numpy as np

from wavu import hub
from wavu.audio.files import Recording, deal, in_pieces, recordings_fingerprint, recordings_in, sources_of
from wavu.audio.shards import encode_audio, tracked, write_skipped
from wavu.command import command
from wavu.errors import WavuError
from wavu.pictures.pictures import scatter, write_picture
from wavu.prepared import Codes
from wavu.pretraining.codes import Quantiser, read
from wavu.pretraining.usage import alike, perplexity, together, used
from wavu.progress import say
from wavu.ragged import Ragged
from wavu.settings.audio import Codebook
from wavu.stage import Stage, folder_fingerprint
from wavu.store import read_json, write_json, write_table
from wavu.units import duration_words

MANIFEST = ("id", "path", "start", "end", "speaker", "shard", "frames")
POINTS = ("language", "speaker", "folder")
MAKES = (
    "manifest.tsv",
    "skipped.tsv",
    "usage.tsv",
    *(f"{point}s.*" for point in POINTS),
    "shards/[0-9]*/*.npy",
    "shards/[0-9]*/rows.json",
)


def main_work(settings: Codebook) -> None:
    """The codes of each language that is not there yet, then how often each of them is used."""
    sources = sources_of(settings.audio)
    if strange := [name for name in sources if "/" in name or name.startswith(".")]:
        raise WavuError(f"'{strange[0]}' cannot name a language, whose codes get a folder of that name; choose another name")
    recordings = {name: recordings_in(source) for name, source in sources.items()}
    points = _points(settings.points, recordings)
    stages = {name: _stage(settings, name, str(source), recordings[name]) for name, source in sources.items()}
    todo = [name for name, stage in stages.items() if not stage.done()]
    if complete := [str(stage.out_dir) for name, stage in stages.items() if name not in todo]:
        say(f"{' and '.join(complete)}: complete")
    quantiser = _quantiser(settings.model, settings.batch_seconds) if todo else None
    for name in todo:
        with stages[name].run() as counts:
            counts |= _encode(recordings[name], quantiser, settings, stages[name].out_dir)
        say(_in_words(counts, stages[name].out_dir))
    usage, out_dir = _usage(stages, points), settings.out_dir
    _write_usage(usage, out_dir)
    if len(usage) > 1:
        _draw(usage, points, out_dir)


def _stage(settings: Codebook, name: str, source: str, recordings: list[Recording]) -> Stage:
    """That of one language, which another one beside it leaves as it is."""
    own = settings.model_copy(update={"audio": source, "out_dir": settings.out_dir / name})
    inputs = {"recordings": recordings_fingerprint(recordings), "model": folder_fingerprint(settings.model)}
    return Stage(own, command="codebook", inputs=inputs, makes=MAKES)


def _quantiser(name: str, batch_seconds: float) -> Quantiser:
    """That of a model by its folder or its name on the hub."""
    model, extractor = hub.load(name, read, what=f"the model {name}")
    return Quantiser(model, extractor, batch_seconds=batch_seconds)


def _points(wanted: str | None, recordings: dict[str, list[Recording]]) -> str:
    """What is drawn as a point, refused before any work where there are not two of it."""
    parts = {
        point: {_part(point, name, row.id, row.speaker) for name, rows in recordings.items() for row in rows} for point in POINTS
    }
    if wanted is None:
        return next((point for point in POINTS if len(parts[point]) > 1), "language")
    if len(parts[wanted]) < 2:
        raise WavuError(f"points={wanted} needs two of them or more; speakers are known from a table with a column speaker")
    return wanted


def _part(point: str, language: str, name: str, speaker: str) -> str:
    """The point that a recording belongs to; a language that is alone has no name."""
    folder = name.split("/")[0] if "/" in name else "."
    part = {"language": "", "speaker": speaker or ("" if language else "unknown"), "folder": folder}[point]
    return "/".join(filter(None, (language, part)))


def _encode(recordings: list[Recording], quantiser: Quantiser, settings: Codebook, out_dir: Path) -> dict:
    """Write the codes of every shard that is not there yet, and the tables; the counts of ``stage.json``."""
    shards = deal(in_pieces(recordings, max_seconds=settings.max_seconds), shard_minutes=settings.shard_minutes)
    folders = [out_dir / "shards" / f"{shard:05d}" for shard in range(len(shards))]
    todo = [shard for shard, folder in enumerate(folders) if not (folder / "rows.json").exists()]
    limits = settings.plain("vad", "min_seconds", "max_clipped")
    encode = partial(encode_audio, encoder=quantiser, with_cepstra=False, **limits)
    for shard, encoded in tracked("codes", todo, shards, encode):
        Ragged(encoded.frames.flat.astype(np.int16), encoded.frames.offsets).write(folders[shard], "codes")
        encoded.spans.write(folders[shard], "spans")
        lengths = zip(encoded.kept, encoded.frames.lengths.tolist(), strict=True)
        kept = [row | {"shard": shard, "frames": frames} for row, frames in lengths]
        write_json(folders[shard] / "rows.json", {"kept": kept, "skipped": encoded.skipped})
    rows = [read_json(folder / "rows.json") for folder in folders]
    kept, skipped = ([row for shard in rows for row in shard[part]] for part in ("kept", "skipped"))
    if not kept:
        shutil.rmtree(out_dir / "shards")
        raise WavuError(f"none of the recordings is of use: {'; '.join(sorted({row['reason'] for row in skipped})[:3])}")
    write_table(out_dir / "manifest.tsv", kept, MANIFEST)
    write_skipped(out_dir / "skipped.tsv", skipped)
    seconds = round(sum(row["end"] - row["start"] for row in kept), 2)
    codes = np.concatenate([Ragged.read(folder, "codes").flat for folder in folders])
    return {"utterances": len(kept), "skipped": len(skipped), "audio_seconds": seconds} | _counted(codes, quantiser.size)


def _counted(codes: np.ndarray, size: int) -> dict:
    """How evenly the codes (N, G) are used, of each codebook and of all together."""
    _, joint = together(codes)
    return {
        "frames": len(codes),
        "codebooks": codes.shape[1],
        "codes": size,
        "perplexity": perplexity(used(codes, size=size)).round(2).tolist(),
        "joint_perplexity": round(float(perplexity(np.bincount(joint))), 2),
        "joint_greatest": min(size ** codes.shape[1], len(codes)),
    }


def _in_words(counts: dict, out_dir: Path) -> str:
    """The outcome as one line."""
    each = " and ".join(f"{value:.1f}" for value in counts["perplexity"])
    return (
        f"{out_dir}: {counts['utterances']:,} utterances, {duration_words(counts['audio_seconds'])} of audio, {counts['frames']:,} "
        f"frames; perplexity {each} of {counts['codes']:,} codes, {counts['joint_perplexity']:,.1f} of {counts['joint_greatest']:,} "
        f"combinations; {counts['skipped']} skipped"
    )


def _usage(stages: dict[str, Stage], points: str) -> dict[str, np.ndarray]:
    """How many frames of each language, speaker or folder take each code (G, K)."""
    usage: dict[str, np.ndarray] = {}
    for language, stage in stages.items():
        codes = Codes.read(stage.out_dir)
        for name, speaker, row in zip(codes.ids, codes.speakers, codes.codes, strict=True):
            part = _part(points, language, name, speaker)
            usage[part] = usage.get(part, 0) + used(row, size=codes.size)
    return usage


def _write_usage(usage: dict[str, np.ndarray], out_dir: Path) -> None:
    """``usage.tsv``: a row for each code, a column for each language, speaker or folder."""
    columns = {part or "frames": counts for part, counts in usage.items()}
    places = np.ndindex(next(iter(usage.values())).shape)
    rows = [
        {"codebook": place[0], "code": place[1]} | {part: counts[place] for part, counts in columns.items()} for place in places
    ]
    write_table(out_dir / "usage.tsv", rows, ("codebook", "code", *columns))


def _draw(usage: dict[str, np.ndarray], points: str, out_dir: Path) -> None:
    """``languages.png`` and ``languages.tsv``, or speakers or folders."""
    places, shares = alike(list(usage.values()))
    axes = [f"{axis} axis, {share:.0%} of the variance" for axis, share in zip(("first", "second"), shares, strict=True)]
    title = f"{len(usage)} {points}s by how often they use each code"
    kinds = [name.split("/")[0] for name in usage] if points != "language" else None
    picture = scatter(places, list(usage), axes, title, kinds=kinds)
    write_picture(out_dir / f"{points}s.png", picture)
    frames = [int(counts[0].sum()) for counts in usage.values()]
    rows = [
        {points: name, "frames": size, "first": f"{first:.4f}", "second": f"{second:.4f}"}
        for name, size, (first, second) in zip(usage, frames, places.tolist(), strict=True)
    ]
    write_table(out_dir / f"{points}s.tsv", rows, (points, "frames", "first", "second"))
    say(f"{out_dir / f'{points}s.png'}: {len(usage)} {points}s")


main = command("codebook", Codebook, main_work, __doc__)

if __name__ == "__main__":
    main()
