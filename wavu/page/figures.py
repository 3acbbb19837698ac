"""The figures of a run, each as the rows of a table or a chart. No sound is opened here.

Shapes: N frames, S segments, V phones with silence.
"""

import math
from dataclasses import dataclass

import numpy as np

from wavu.page.run import STAGES, Run
from wavu.ragged import Ragged
from wavu.selection import ORDERS
from wavu.store import read_table
from wavu.text.phone_order import in_order
from wavu.text.silence import phones_of

# Of the counts of a stage: key, how a person would call it, how it is written, what it means.
JUDGED = (  # of self_train alone
    ("predicted_per", "predicted PER", "{:.2f}", "phone errors per phone, foretold from agreement and the divergence of order 1"),
    ("agreement", "agreement", "{:.2f}", "share of what was found in context that is also what sounds likeliest by itself"),
)
NUMBERS = (
    ("jsd", "divergence", "{:.3f}", "between n-grams found and the text's, mean of orders 1 to 4: 0 alike, 1 nothing in common"),
    ("lm_perplexity", "perplexity", "{:.2f}", "of what was found, under the n-gram of the text"),
    ("vocabulary_used", "phones used", "{:.0%}", "share of the phones of the text"),
    ("phones_per_second", "phones per second", "{:.1f}", "of speech"),
    ("log_likelihood", "log likelihood", "{:.2f}", "of a segment or frame, natural logarithm; higher is better"),
    ("score", "score", "{:.2f}", "by which recognisers are compared without labels; lower is better"),
)  # fmt: skip
WORST = 12  # confusions shown


@dataclass(frozen=True)
class Verdict:
    """What a run has come to. word: found, partly found, failed, suspected, unjudged or none. figures: name, value, meaning."""

    word: str
    headline: str
    figures: list[tuple[str, str, str]]
    facts: list[tuple[str, str]]


def verdict(run: Run) -> Verdict:
    """The verdict of self_train; where there is none, what is known instead."""
    stage = "model" if "model" in run.records else run.labelled
    counts = run.counts(stage or "")
    scores = counts.get("hmm", counts)
    word, headline = _in_words(run, scores, counts.get("suspected_failed"))
    figures = [
        (name, form.format(scores[key]).replace("%", " %"), meaning)
        for key, name, form, meaning in (*(JUDGED if stage == "model" else ()), *NUMBERS)
        if scores.get(key) is not None
    ]
    if "student" in counts:
        meaning = "edits per phone between the student, which has no n-gram, and what it learned from"
        figures.append(("student's disagreement", f"{counts['student']['disagreement']:.3f}", meaning))
    return Verdict(word, headline, figures, _facts(run))


def _in_words(run: Run, scores: dict, suspected: str | None) -> tuple[str, str]:
    if "model" not in run.records:
        last = f"; the figures below are those of {STAGES[run.labelled]}" if run.labelled else ""
        begun = "" if run.labelled else " Nothing has named its segments yet either."
        return "none", f"No model: self_train has left none in this run{last}.{begun}"
    predicted = str(scores.get("verdict", ""))
    if suspected and suspected != predicted:
        beside = f"; beside that, {predicted}" if predicted else ""
        return "suspected", f"Suspected failed: {suspected}{beside}"
    if predicted:
        return predicted.split(":")[0], predicted[:1].upper() + predicted[1:]
    return "unjudged", "Nothing suspicious; an error rate is predicted only for what decipher_segments began"


def _facts(run: Run) -> list[tuple[str, str]]:
    """How it came about: start, encoder, kept turn, alarms."""
    model, start = run.counts("model"), run.counts("found").get("start")
    begun = run.records.get("gan", {}).get("config", {}).get("warm_start")
    seen = next((row["encoder_has_seen"] for row in map(run.counts, ("model", "found")) if "encoder_has_seen" in row), None)
    if seen is None and "encoder_has_seen" in run.counts("audio"):
        seen = f"the encoder has seen {run.counts('audio')['encoder_has_seen']}"
    suspected = {name: run.counts(name).get("suspected_failed") for name in ("gan", "model") if name in run.records}
    facts = [
        ("start", start or (f"generators, warm start: {begun}" if begun else None)),
        ("encoder", seen),
        ("kept turn", f"{model['hmm']['kept']}, out of {', '.join(model['hmm']['evidence'])}" if "hmm" in model else None),
        ("suspected failed", "; ".join(f"{STAGES[name]}: {why or 'no'}" for name, why in suspected.items()) or None),
    ]  # fmt: skip
    return [(name, str(value)) for name, value in facts if value]


def inventory(run: Run) -> list[dict]:
    """Of each phone its share of the text and of what the best system says; in the order of a phonetician's chart."""
    text = _shares(phones_of(run.text).flat, run.silence)
    found = _shares(next(reversed(run.said.values())).flat, run.silence) if run.said else None
    number = {phone: place for place, phone in enumerate(run.text.phones[:-1])}
    return [
        {"phone": phone, "text": float(text[number[phone]]), "found": None if found is None else float(found[number[phone]])}
        for phone in in_order(list(number))
    ]


def _shares(phones: np.ndarray, silence: int) -> np.ndarray:
    counts = np.bincount(phones, minlength=silence)[:silence]
    return counts / max(1, counts.sum())


def divergences(run: Run) -> list[dict]:
    """Jensen-Shannon divergence of the n-grams from the text's, in bits, of each system: ``name`` and ``values`` for ``ORDERS``."""
    model = run.counts("model")
    scores = {"segments": run.counts(run.labelled or ""), "HMM": model.get("hmm", {}), "student": model.get("student", {})}
    return [{"name": name, "values": [row[f"jsd{n}"] for n in ORDERS]} for name, row in scores.items() if "jsd1" in row]


def confusions(run: Run) -> list[dict]:
    """Which phone of the segments became which phone of the HMM, counted in frames, the most frequent first.

    Rows: segments, HMM, frames, and share of the frames that the segments call so. Silence is a phone here.
    """
    if run.labels is None or run.aligned is None:
        return []
    V = len(run.text.phones)
    pairs = per_frame(run.labels, run.starts, run.aligned.lengths).astype(np.int64) * V + run.aligned.flat
    counts = np.bincount(pairs, minlength=V * V).reshape(V, V)
    sums = counts.sum(axis=1)
    np.fill_diagonal(counts, 0)
    places = [divmod(int(place), V) for place in np.argsort(-counts, axis=None, kind="stable")[:WORST]]
    return [
        {
            "segments": run.text.phones[row],
            "HMM": run.text.phones[column],
            "frames": int(counts[row, column]),
            "share": float(counts[row, column] / sums[row]),
        }
        for row, column in places
        if counts[row, column]
    ]


def per_frame(labels: Ragged, starts: Ragged, lengths: np.ndarray) -> np.ndarray:
    """The label of the segment that each frame (N) belongs to. starts: first frame of each segment, 0 the first of all.

    >>> per_frame(Ragged.of([[5, 7]], int), Ragged.of([[0, 2]], int), np.array([3]))
    array([5, 5, 7])
    """
    rows = zip(labels, starts, lengths.tolist(), strict=True)
    return np.concatenate([np.repeat(row, np.diff(np.append(first, n))) for row, first, n in rows])


def members(run: Run) -> list[dict]:
    """Every look at a member of gan_train, as ``scores.tsv`` has it: update, member, score and what else is a number."""
    if "gan" not in run.records:
        return []
    rows = read_table(run.folder / "gan" / "scores.tsv", ["update", "member", "score"])
    return [{key: number for key, value in row.items() if (number := _number(value)) is not None} for row in rows]


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def timings(run: Run) -> list[dict]:
    """Folder, command, seconds and memory of each stage; None where a stage did not write it down."""
    measured = ("seconds", "peak_memory_gb")
    return [
        {"folder": name, "command": row["command"]} | {key: row.get(key) for key in measured} for name, row in run.records.items()
    ]
