"""A phoneme model of languages other than the one to be recognised: the teacher of the zero-shot rival."""

from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from wavu.audio.files import Recording, recordings_fingerprint, recordings_in
from wavu.feed import shuffled
from wavu.fine_tune import CHECKPOINT, Pupil, inputs_of, new_student, teach
from wavu.pretraining.crops import drawn
from wavu.progress import say
from wavu.ragged import Ragged
from wavu.selection import disagreement
from wavu.settings.phoneme_ctc import PhonemeCtc
from wavu.stage import Stage, file_fingerprint, fingerprint, folder_fingerprint, languages_taught
from wavu.stages.labelled import Limits, Taught, gathered, held_out, read_corpus
from wavu.store import write_json, write_table
from wavu.student.model import STUDENT, Student
from wavu.student.train import Lesson, Utterances
from wavu.text.phonemise import check_language
from wavu.training import best
from wavu.units import duration_words

MAKES = ("left_out.tsv", "validations.tsv", *STUDENT)


@dataclass(frozen=True, eq=False)
class Balanced:
    """A :class:`wavu.training.Feed` of utterances (U) in ``languages`` (U), of which those with little audio come more often.

    alpha: see :func:`wavu.pretraining.crops.drawn`.
    """

    utterances: Utterances
    languages: np.ndarray
    alpha: float

    def epoch(self, chance: np.random.Generator) -> list[list[int]]:
        """Utterances of each batch."""
        lengths = self.utterances.seconds
        chosen = drawn(lengths, self.languages, self.alpha, chance)
        groups = shuffled(lengths[chosen], self.utterances.batch_seconds, chance)
        return [chosen[group].tolist() for group in groups]

    def read(self, plan: list[int]) -> Lesson:
        """Inputs and targets of a batch."""
        return self.utterances.read(plan)


def phoneme_ctc(settings: PhonemeCtc) -> None:
    """Refuse what cannot work, find what can be learned from, then train."""
    files = _files(settings)
    recordings = {language: recordings_in(source) for language, source in settings.audio.items()}
    stage = Stage(settings, command="phoneme_ctc", inputs=_fingerprints(recordings, files, settings.start_from), makes=MAKES)
    if stage.done():
        say(f"{stage.out_dir} is complete")
        return
    limits = Limits(**settings.plain("min_seconds", "max_seconds", "min_phone_share"))
    taught = gathered({name: read_corpus(name, rows, files[name], limits) for name, rows in recordings.items()})
    inventory = taught.inventory()
    student = new_student(inventory, settings.start_from, settings.fine_tuning, settings.seed, frame_dim=None)
    say(_found(taught, inventory))
    with stage.run() as counts:
        write_table(stage.out_dir / "left_out.tsv", taught.left_out, ("language", "id", "reason"))
        counts |= learn(student, taught, settings, stage.out_dir)
    say(
        f"{stage.out_dir}: PER {counts['PER']:.3f} of {counts['held_out']:,} utterances held out, after {counts['kept']:,} updates"
    )


def _files(settings: PhonemeCtc) -> dict[str, dict[str, Path]]:
    """The labels of each language, and perhaps its lexicon.

    Raises:
        WavuError: a language lacks a way to say it.
    """
    files = {language: {"labels": path} for language, path in settings.labels.items()}
    for language in settings.audio:
        if settings.lexicon and language in settings.lexicon:
            files[language]["lexicon"] = settings.lexicon[language]
        else:
            check_language(language)
    return files


def _fingerprints(recordings: dict[str, list[Recording]], files: dict[str, dict[str, Path]], start: str | None) -> dict[str, str]:
    """Of all that is read."""
    texts = [file_fingerprint(path) for each in files.values() for path in each.values()]
    return {
        "recordings": fingerprint([recordings_fingerprint(rows) for rows in recordings.values()]),
        "labels": fingerprint(texts),
        "start_from": folder_fingerprint(start),
    }


# Training


def learn(student: Student, taught: Taught, settings: PhonemeCtc, folder: Path) -> dict:
    """Fine-tune the student, write it and what it has seen; counts."""
    training, validation, seconds = settings.fine_tuning.training, settings.fine_tuning.validation, taught.seconds
    held = held_out(taught, validation.utterances, np.random.default_rng(settings.seed))
    learned, judged = np.flatnonzero(~held), np.flatnonzero(held)
    pupil, labels = Pupil(student, inputs_of(student, taught.recordings), seconds), taught.labels(student.phones)
    utterances = Utterances(
        lambda place: pupil.inputs(learned[place]), seconds[learned], labels.take(learned), training.batch_seconds
    )
    feed = Balanced(utterances, taught.languages[learned], settings.alpha)
    rates = partial(error_rates, pupil, labels, judged, taught)
    rows = teach(student, feed, rates, folder, training=training, validation=validation, seed=settings.seed)
    write_table(folder / "validations.tsv", rows, list(rows[0]))
    kept = best(rows)
    hours = np.bincount(taught.languages[learned], seconds[learned]) / 3600
    own = {
        name: {"hours": round(hour, 3), "PER": round(kept[f"PER {name}"], 4)}
        for name, hour in zip(taught.names, hours.tolist(), strict=True)
    }
    start = settings.start_from
    before = {name: {"by": start} for name in (start and languages_taught(start)) or []}
    counts = {
        "learned": len(learned), "held_out": len(judged), "left_out": len(taught.left_out), "hours": round(float(hours.sum()), 3),
        "phones": len(student.phones), "updates": rows[-1]["update"], "kept": kept["update"], "PER": round(kept["score"], 4),
    }  # fmt: skip
    write_json(folder / "about.json", {"languages": before | own, "start_from": start, **counts})
    student.write(folder)
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return counts


def error_rates(pupil: Pupil, labels: Ragged, judged: np.ndarray, taught: Taught) -> dict[str, float]:
    """The PER of each language on the utterances that are held out, and their mean, by which weights are kept."""
    said, truth, languages = pupil.say(judged), labels.take(judged), taught.languages[judged]
    rates = {}
    for language, name in enumerate(taught.names):
        rows = np.flatnonzero(languages == language)
        rates[f"PER {name}"] = disagreement(said.take(rows), truth.take(rows))
    return {"score": float(np.mean(list(rates.values())))} | rates


def _found(taught: Taught, inventory: list[str]) -> str:
    """What there is to learn from, as one line."""
    hours = np.bincount(taught.languages, taught.seconds)
    each = ", ".join(f"{name} {duration_words(seconds)}" for name, seconds in zip(taught.names, hours.tolist(), strict=True))
    reasons = Counter(row["reason"] for row in taught.left_out).most_common()
    left_out = f"; left out: {', '.join(f'{count:,} {reason}' for reason, count in reasons)}" if reasons else ""
    return f"{len(taught.recordings):,} utterances ({each}), {len(inventory)} phones{left_out}"
