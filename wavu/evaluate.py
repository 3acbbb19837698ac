"""Hypotheses against references: phone error rate, and how well the boundaries fit. The one door for references.

    python -m wavu.evaluate hypotheses=runs/hypotheses.tsv references=references.tsv text=runs/text
    python -m wavu.evaluate hypotheses=hyp.tsv references=ref.tsv times=hyp_times.tsv alignments=ref_times.tsv out=scores.json

Hypotheses are a TSV with the columns id and phones, as wavu.transcribe writes it. References have the columns id and phones,
or id and text; text is phonemised exactly as the folder text= was. No other part of wavu reads a reference.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from wavu.command import command
from wavu.errors import WavuError
from wavu.progress import say
from wavu.store import SILENCE, finished, read_table, write_json
from wavu.text.normalise import words
from wavu.text.phonemise import pronounce

Phones = dict[str, list[str]]  # the phones of each utterance, by its id
Boundaries = dict[str, list[float]]  # boundary times in seconds, ascending, by utterance id


@dataclass(frozen=True)
class ErrorRate:
    """Edit operations summed over utterances; every rate is one division of sums.

    >>> phone_error_rate({"a": ["t", "o"]}, {"a": ["t", "a", "k"]})
    ErrorRate(utterances=1, missing=0, reference_phones=3, hypothesis_phones=2, insertions=0, deletions=1, substitutions=1)
    """

    utterances: int  # of the references
    missing: int  # of these, without a hypothesis: all their phones count as deleted
    reference_phones: int
    hypothesis_phones: int
    insertions: int
    deletions: int
    substitutions: int

    @property
    def per(self) -> float:
        """Phone error rate: edit operations per reference phone. May exceed 1."""
        return (self.insertions + self.deletions + self.substitutions) / self.reference_phones

    @property
    def length_ratio(self) -> float:
        """Hypothesised phones per reference phone."""
        return self.hypothesis_phones / self.reference_phones


@dataclass(frozen=True)
class BoundaryScore:
    """Boundaries summed over utterances: how many are true, how many were found, how many of those fit one to one."""

    true: int
    found: int
    hits: int

    @property
    def precision(self) -> float:
        """Share of the found boundaries that fit; 0 when none was found."""
        return self.hits / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """Share of the true boundaries that were found."""
        return self.hits / self.true

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.hits / (self.found + self.true)

    @property
    def r_value(self) -> float:
        """1 is perfect; unlike F1 it cannot be raised by placing boundaries everywhere.

        Räsänen, Laine and Altosaar, "An improved speech segmentation quality measure: the R-value", Interspeech 2009, Eq. 4-6.
        """
        over_segmentation = self.found / self.true - 1
        to_ideal = math.hypot(1 - self.recall, over_segmentation)
        to_line = (-over_segmentation + self.recall - 1) / math.sqrt(2)
        return 1 - (abs(to_ideal) + abs(to_line)) / 2


def phone_error_rate(hypotheses: Phones, references: Phones) -> ErrorRate:
    """Sum the edit operations over the utterances of the references; silence is dropped on both sides.

    Hypotheses without a reference are ignored.

    Raises:
        WavuError: no utterance has both, or the references hold no phone.
    """
    _require_common(hypotheses, references)
    insertions = deletions = substitutions = reference_phones = hypothesis_phones = 0
    for name, phones in references.items():
        reference, hypothesis = _without_silence(phones), _without_silence(hypotheses.get(name, []))
        operations = edit_operations(hypothesis, reference)
        insertions, deletions, substitutions = np.add((insertions, deletions, substitutions), operations).tolist()
        reference_phones += len(reference)
        hypothesis_phones += len(hypothesis)
    if not reference_phones:
        raise WavuError("the references hold no phone; is the right column filled?")
    missing = len(references.keys() - hypotheses.keys())
    return ErrorRate(len(references), missing, reference_phones, hypothesis_phones, insertions, deletions, substitutions)


def edit_operations(hypothesis: list[str], reference: list[str]) -> tuple[int, int, int]:
    """Insertions, deletions and substitutions of the cheapest alignment; of several, the one with the most phones right.

    Levenshtein's table, one row per reference phone, each row at once.
    """
    number = {phone: index for index, phone in enumerate(dict.fromkeys(reference + hypothesis))}
    found = np.array([number[phone] for phone in hypothesis], np.int64)
    # One integer carries both counts: errors in units of `error`, of which substitutions below. Least total = fewest errors, then
    # fewest substitutions; insertions minus deletions is the difference in length, so nothing needs to be traced back.
    error = len(hypothesis) + len(reference) + 1
    inserted = error * np.arange(len(hypothesis) + 1)
    row = inserted
    for phone in reference:
        above = row + error
        above[1:] = np.minimum(above[1:], row[:-1] + (found != number[phone]) * (error + 1))
        # An insertion follows the cheapest cell to the left: min over k <= j of cell k + (j - k) insertions.
        row = np.minimum.accumulate(above - inserted) + inserted
    errors, substitutions = divmod(int(row[-1]), error)
    longer = len(hypothesis) - len(reference)
    insertions = (errors - substitutions + longer) // 2
    return insertions, insertions - longer, substitutions


def boundary_score(hypotheses: Boundaries, references: Boundaries, *, tolerance_seconds: float) -> BoundaryScore:
    """Match each found boundary with at most one true boundary no further away than the tolerance, as many as possible.

    Raises:
        WavuError: no utterance has both, or the references hold no boundary.
    """
    _require_common(hypotheses, references)
    pairs = [(hypotheses.get(name, []), times) for name, times in references.items()]
    true, found = sum(len(times) for _, times in pairs), sum(len(times) for times, _ in pairs)
    if not true:
        raise WavuError("the alignments hold no boundary between phones; is every utterance a single phone?")
    return BoundaryScore(true, found, sum(_hits(mine, theirs, tolerance_seconds) for mine, theirs in pairs))


def _hits(found: list[float], true: list[float], tolerance_seconds: float) -> int:
    """Largest one-to-one matching of two ascending lists: the earliest pair that fits can always be kept."""
    slack = tolerance_seconds + 1e-6  # times are read from decimals
    hits = i = j = 0
    while i < len(found) and j < len(true):
        distance = found[i] - true[j]
        hits += abs(distance) <= slack
        i, j = i + (distance <= slack), j + (distance >= -slack)
    return hits


def _require_common(hypotheses: dict, references: dict) -> None:
    if not hypotheses.keys() & references.keys():
        shown = [next(iter(names), "none") for names in (hypotheses, references)]
        raise WavuError(
            f"no utterance has both a hypothesis and a reference (first ids: '{shown[0]}' and '{shown[1]}'); ids are file names without the ending"
        )


def _without_silence(phones: list[str]) -> list[str]:
    return [phone for phone in phones if phone != SILENCE]


def read_phones(path: Path) -> Phones:
    """The columns id and phones of a TSV."""
    return _by_id(path, "phones", str.split)


def read_boundaries(path: Path) -> Boundaries:
    """Boundaries from the columns id, start, end (seconds) and phone of a TSV.

    They are the times at which a phone, not silence, begins or ends, without the first and the last of an utterance:
    where speech begins is not a boundary between phones. Equal to the millisecond is equal.
    """
    edges: dict[str, set[float]] = {}
    for line, row in enumerate(read_table(path, ["id", "start", "end", "phone"]), start=2):
        times = edges.setdefault(row["id"], set())
        if row["phone"] == SILENCE:
            continue
        try:
            times |= {round(float(row[column]), 3) for column in ("start", "end")}
        except (TypeError, ValueError) as error:
            raise WavuError(
                f"{path} line {line}: start and end must be seconds, got '{row['start']}' and '{row['end']}'"
            ) from error
    return {name: sorted(times)[1:-1] for name, times in edges.items()}


def read_references(path: Path, text_dir: Path | None) -> Phones:
    """Reference phones: the column phones where there is one, else the column text through the pronunciations of ``text_dir``.

    Raises:
        WavuError: neither column, or text without a folder of prepare_text.
    """
    rows = read_table(path, ["id"])
    columns = rows[0].keys() if rows else {"phones"}
    if "phones" in columns:
        return read_phones(path)
    if "text" not in columns:
        raise WavuError(f"{path} has neither a column phones nor a column text (found: {', '.join(columns)})")
    if text_dir is None:
        raise WavuError(
            f"{path} holds text, not phones; add text=FOLDER, the output of wavu.prepare_text whose phones the hypotheses use"
        )
    return _by_id(path, "text", _phonemiser(text_dir, [row["text"] for row in rows]))


def _phonemiser(text_dir: Path, sentences: list[str]) -> Callable[[str], list[str]]:
    """Turns a sentence into phones as prepare_text did: its lexicon first, and the same phonemiser for words it does not hold."""
    config = finished(text_dir, "prepare_text")["config"]
    language = config["language"]
    lexicon = {row["word"]: row["phones"].split() for row in read_table(text_dir / "lexicon.tsv", ["word", "phones"])}
    unknown = sorted({word for sentence in sentences for word in words(sentence, language)} - lexicon.keys())
    found, unsaid = pronounce(unknown, language=language, units=config["units"], said={})
    if unsaid:
        say(
            f"warning: {len(unsaid):,} different words of the references have no pronunciation and are left out, such as '{next(iter(unsaid))}'"
        )
    pronunciations = lexicon | dict(zip(unknown, found, strict=True))
    return lambda sentence: [phone for word in words(sentence, language) for phone in pronunciations[word]]


def _by_id(path: Path, column: str, convert: Callable[[str], list[str]]) -> Phones:
    rows = read_table(path, ["id", column])
    table = {row["id"]: convert(row[column]) for row in rows}
    if not table:
        raise WavuError(f"{path} has a header and no row")
    if len(table) < len(rows):
        raise WavuError(f"{path} names an utterance twice; ids must be unique")
    return table


def main_work(config: dict) -> None:
    """Read both sides, score, print one line per score."""
    paths = {
        key: Path(config[key]) if config[key] else None
        for key in ("hypotheses", "references", "text", "times", "alignments", "out")
    }
    if bool(paths["times"]) != bool(paths["alignments"]):
        raise WavuError("times= and alignments= go together: found boundaries are scored against true ones")
    hypotheses, references = read_phones(paths["hypotheses"]), read_references(paths["references"], paths["text"])
    phones = phone_error_rate(hypotheses, references)
    scores = {"per": phones.per, "length_ratio": phones.length_ratio, **asdict(phones)}
    print(
        f"PER {phones.per:.4f}  ({phones.insertions:,} inserted, {phones.deletions:,} deleted, {phones.substitutions:,} substituted "
        f"of {phones.reference_phones:,} phones in {phones.utterances:,} utterances; length ratio {phones.length_ratio:.3f})"
    )
    if phones.missing:
        say(f"warning: {phones.missing:,} references have no hypothesis; their phones count as deleted")
    if extra := len(hypotheses.keys() - references.keys()):
        say(f"warning: {extra:,} hypotheses have no reference and are left out")
    if paths["times"]:
        found, true = read_boundaries(paths["times"]), read_boundaries(paths["alignments"])
        boundaries = boundary_score(found, true, tolerance_seconds=config["tolerance_ms"] / 1000)
        named = {name: getattr(boundaries, name) for name in ("precision", "recall", "f1", "r_value")}
        scores["boundaries"] = named | asdict(boundaries) | {"tolerance_ms": config["tolerance_ms"]}
        print(
            "boundaries  "
            + "  ".join(f"{name} {value:.3f}" for name, value in named.items())
            + f"  within {config['tolerance_ms']:g} ms"
        )
    if paths["out"]:
        write_json(paths["out"], scores)


main = command("evaluate", main_work, __doc__)

if __name__ == "__main__":
    main()
