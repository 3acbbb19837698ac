"""Hypotheses against references: error rates and how sure they are, confusions, boundaries, clusters, codes.

    python -m wavu.evaluate hypotheses=runs/hypotheses.tsv references=references.tsv text=runs/text
    python -m wavu.evaluate hypotheses=new.tsv baseline=old.tsv references=references.tsv text=runs/text out=scores.json
    python -m wavu.evaluate hypotheses=hyp.tsv references=ref.tsv times=hyp_times.tsv alignments=ref_times.tsv
    python -m wavu.evaluate hypotheses=hyp.tsv references=ref.tsv audio=runs/audio alignments=ref_times.tsv pictures=runs/pictures
    python -m wavu.evaluate codes=runs/codes alignments=ref_times.tsv pictures=runs/pictures

Hypotheses are a TSV with the columns id, phones and perhaps words, as wavu.transcribe writes it. References have the columns id
and phones, or id and text; text is phonemised exactly as the folder text= was, and is what words are scored against. An utterance
without a hypothesis counts as deleted; where there are such, the rates of the others stand below.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.console import Console

from wavu.audio.vad import file_seconds
from wavu.command import command
from wavu.errors import WavuError
from wavu.pictures.pictures import heat_map, write_picture
from wavu.pictures.scores import comparison_table, rates_table, worst_table
from wavu.prepared import SILENCE, Codes, Speech
from wavu.pretraining.usage import together
from wavu.progress import say
from wavu.ragged import Ragged
from wavu.references import Sides, read_boundaries, read_hypotheses, read_times, read_truth
from wavu.scoring.boundaries import Spans, boundary_score
from wavu.scoring.clusters import CoOccurrence, co_occurrence
from wavu.scoring.confusions import NOTHING, Confusions, confusions
from wavu.scoring.pairs import Sequences
from wavu.scoring.summary import compared, described, error_rates
from wavu.settings.scoring import Evaluate
from wavu.store import read_table, write_json, write_table
from wavu.text.phone_order import in_order
from wavu.units import HOP_SECONDS

FEW = 30  # utterances; with fewer, the bootstrap's intervals are too narrow to be believed
OTHER_FILE_SECONDS = 0.1  # an alignment that ends this long after its recording is of another one
DRAWN_FRAMES = 20  # from which on the shares of a cluster are worth a look; those of one frame are 1 and 0


def boundary_scores(times: Path, alignments: Path, *, tolerance_ms: float) -> dict:
    """Precision, recall, F1 and R-value, and what they are made of."""
    score = boundary_score(read_boundaries(times), read_boundaries(alignments), tolerance_seconds=tolerance_ms / 1000)
    named = {name: getattr(score, name) for name in ("precision", "recall", "f1", "r_value")}
    return named | asdict(score) | {"tolerance_ms": tolerance_ms}


def cluster_phones(audio_dir: Path, alignments: Path) -> CoOccurrence:
    """Which phone is said at the middle of each frame that prepare_audio kept, and the cluster of that frame."""
    speech = Speech.read(audio_dir)
    return _met(audio_dir, speech.units, read_times(alignments), clusters=speech.n_units)


def code_phones(codes_dir: Path, alignments: Path) -> tuple[CoOccurrence, list[str]]:
    """The same for the frames that codebook kept, and the names of its codes: those of several codebooks make one, such as 7-301."""
    codes = Codes.read(codes_dir)
    combinations, joint = together(codes.codes.flat)
    found = _met(codes_dir, Ragged(joint, codes.codes.offsets), read_times(alignments), clusters=len(combinations))
    return found, ["-".join(map(str, combination)) for combination in combinations]


def _met(folder: Path, units: Ragged, spans: dict[str, Spans], *, clusters: int) -> CoOccurrence:
    """Phones and units, of which there are ``clusters``, of all utterances that are aligned."""
    phones = sorted({phone for row in spans.values() for _, _, phone in row} | {SILENCE})
    return co_occurrence(_utterances(folder, units, spans), phones=phones, clusters=clusters)


def _utterances(folder: Path, units: Ragged, spans: dict[str, Spans]) -> Iterator[tuple[np.ndarray, np.ndarray, Spans]]:
    """Seconds of the file of each frame (N), its cluster (N) and the true phones of its file, where these are known."""
    names = _aligned_names(folder, spans)
    kept = (row for shard in sorted((folder / "shards").iterdir()) for row in Ragged.read(shard, "spans"))
    for name, clusters, speech in zip(names, units, kept, strict=True):
        if name in spans:
            times = (np.arange(len(clusters)) + 0.5) * HOP_SECONDS
            yield file_seconds(times, speech.astype(np.float64)), clusters, spans[name]


def _aligned_names(folder: Path, spans: dict[str, Spans]) -> list[str]:
    """The id under which each utterance of a folder is aligned: its own, or that of the recording it is a piece of.

    Raises:
        WavuError: no recording is aligned, or one has phones after its end.
    """
    rows = read_table(folder / "manifest.tsv", ["id", "end"])
    # A long recording lies in pieces, ID-000 and so on, but its times are those of the whole.
    names = [row["id"] if row["id"] in spans else re.sub(r"-\d{3,}$", "", row["id"]) for row in rows]
    if not spans.keys() & set(names):
        raise WavuError(
            f"no recording of {folder} is aligned (first ids: '{names[0]}' and '{next(iter(spans), 'none')}'); ids are file names without the ending"
        )
    ends: dict[str, float] = {}
    for name, row in zip(names, rows, strict=True):
        ends[name] = max(ends.get(name, 0.0), float(row["end"]))
    for name in [name for name in ends if name in spans]:
        last = max(end for _, end, _ in spans[name])
        if last > ends[name] + OTHER_FILE_SECONDS:
            raise WavuError(
                f"the alignment of '{name}' ends at {last:.2f} s, the recording at {ends[name]:.2f} s; are the alignments of other files?"
            )
    if unknown := sum(name not in spans for name in names):
        say(f"warning: {unknown:,} of {len(names):,} recordings are not aligned and are left out")
    return names


# Showing


def draw_confusions(found: Confusions, folder: Path) -> None:
    """The whole matrix as a picture and a table."""
    phones, title = found.names[:-1], "true phones (rows) and what was found (columns)"
    picture = heat_map(found.shares, [*phones, "inserted"], [*phones, "deleted"], title)
    write_picture(folder / "confusions.png", picture)
    write_table(folder / "confusions.tsv", found.pairs(), ("true", "found", "count", "share"))


def draw_clusters(found: CoOccurrence, names: Sequence[str], folder: Path, *, kind: str) -> None:
    """P(phone | cluster) as in the wav2vec 2.0 paper (Baevski et al. 2020, appendix D), and as a table. kind: cluster or code."""
    found = found.in_order(in_order(found.phones))
    shares, clusters = found.given_cluster()
    frames = found.counts[:, clusters].sum(axis=0)
    fewest = min(DRAWN_FRAMES, frames.max())
    drawn = shares[:, frames >= fewest]
    title = f"P(phone | {kind}) of the {drawn.shape[1]:,} {kind}s with {fewest} frames or more, by phone; PNMI {found.pnmi:.3f}"
    write_picture(folder / f"{kind}s.png", heat_map(drawn, found.phones, None, title))
    rows = [
        {kind: names[cluster], "frames": size}
        | {phone: f"{share:.4f}" for phone, share in zip(found.phones, column, strict=True)}
        for cluster, size, column in zip(clusters, frames, shares.T, strict=True)
    ]
    write_table(folder / f"{kind}s.tsv", rows, (kind, "frames", *found.phones))


def show(scores: dict, worst: list[dict]) -> None:
    """The tables, on standard output."""
    console, level = Console(highlight=False), scores.get("bootstrap", {}).get("level")
    if "rates" in scores:
        utterances = next(iter(scores["rates"].values()))["utterances"]
        console.print(f"{utterances:,} utterances", rates_table(scores["rates"], level=level), sep="\n")
    if "found_only" in scores:
        utterances = next(iter(scores["found_only"].values()))["utterances"]
        title = f"\nthe {utterances:,} of them that have a hypothesis"
        console.print(title, rates_table(scores["found_only"], level=level), sep="\n")
    if "baseline" in scores:
        console.print("\nagainst the baseline", comparison_table(scores["baseline"], level=level), sep="\n")
    if worst:
        console.print("\nworst confusions", worst_table(worst, nothing=NOTHING), sep="\n")
    if found := scores.get("boundaries"):
        numbers = _line(found, ("precision", "recall", "f1", "r_value"))
        console.print(f"\nboundaries  {numbers}  within {found['tolerance_ms']:g} ms", soft_wrap=True)
    for kind in ("clusters", "codes"):
        if found := scores.get(kind):
            numbers = _line(found, ("pnmi", "phone_purity", "cluster_purity"))
            size = f"{found[kind]:,} {kind}, {found['phones']:,} phones, {found['frames']:,} frames"
            console.print(f"\n{kind}  {numbers}  ({size})", soft_wrap=True)


def _line(scores: dict, keys: tuple[str, ...]) -> str:
    return "  ".join(f"{key.replace('_', ' ')} {scores[key]:.3f}" for key in keys)


def main_work(settings: Evaluate) -> None:
    """Read, score, show, write."""
    scores, pairs = _score_hypotheses(settings) if settings.hypotheses else ({}, None)
    met: dict[str, tuple[CoOccurrence, Sequence[str]]] = {}
    if alignments := settings.alignments:
        if settings.times:
            scores["boundaries"] = boundary_scores(settings.times, alignments, tolerance_ms=settings.tolerance_ms)
        if settings.audio:
            clusters = cluster_phones(settings.audio, alignments)
            met["cluster"] = clusters, list(map(str, range(clusters.counts.shape[1])))
        if settings.codes:
            met["code"] = code_phones(settings.codes, alignments)
    scores |= {f"{kind}s": found.measures(f"{kind}s") for kind, (found, _) in met.items()}
    show(scores, pairs.worst(settings.worst) if pairs else [])
    if settings.out:
        write_json(settings.out, scores)
    if settings.pictures:
        if pairs:
            draw_confusions(pairs, settings.pictures)
        for kind, (found, names) in met.items():
            draw_clusters(found, names, settings.pictures, kind=kind)


def _score_hypotheses(settings: Evaluate) -> tuple[dict, Confusions | None]:
    """What comes of comparing strings: rates, the baseline's beside them, and confusions where there are phones."""
    paths = {"hypotheses": settings.hypotheses, "baseline": settings.baseline}
    systems = {key: read_hypotheses(path, settings.text) for key, path in paths.items() if path}
    assert settings.references  # the settings have both
    truth = read_truth(settings.references, settings.text, set().union(*systems.values()))
    bootstrap = settings.bootstrap.plain()
    rates = {key: error_rates(found, truth) for key, found in systems.items()}
    for key, found in systems.items():
        _warn(key, *next((found[kind], truth[kind]) for kind in truth if kind in found))
    scores = {"rates": described(rates["hypotheses"], **bootstrap), "bootstrap": bootstrap}
    if any(error.missing for error in rates["hypotheses"].values()):
        scores["found_only"] = described(error_rates(systems["hypotheses"], _met_by(systems["hypotheses"], truth)), **bootstrap)
    if settings.baseline:
        scores["baseline"] = compared(rates["hypotheses"], rates["baseline"], **bootstrap)
    if "PER" not in rates["hypotheses"]:
        return scores, None
    pairs = confusions(systems["hypotheses"]["phones"], truth["phones"])
    return scores | {"confusions": pairs.pairs()}, pairs


def _met_by(found: Sides, truth: Sides) -> Sides:
    """What is true of the utterances for which something was found."""
    return {kind: {name: row for name, row in truth[kind].items() if name in found[kind]} for kind in found.keys() & truth.keys()}


def _warn(system: str, found: Sequences, true: Sequences) -> None:
    """What a reader should know before believing the rates of the hypotheses or of the baseline."""
    if missing := len(true.keys() - found.keys()):
        say(f"warning: {missing:,} references are not in {system}=; all they hold counts as deleted")
    if extra := len(found.keys() - true.keys()):
        say(f"warning: {extra:,} utterances of {system}= have no reference and are left out")
    if len(true) < FEW and system == "hypotheses":
        say(f"warning: {len(true)} utterances are few; the true intervals are wider than those shown")


main = command("evaluate", Evaluate, main_work, __doc__)

if __name__ == "__main__":
    main()
