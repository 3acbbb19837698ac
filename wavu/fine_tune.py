"""Pseudo-labels and recordings in, a CTC student out: the last turn of self-training (Baevski et al. 2021, section 3.5).

The student hears whole recordings, pauses included, as it will where wavu is not installed; a head hears the frames of speech. It is judged without labels on
utterances it does not learn from, and stops when it no longer gets better. Killed, it goes on from the last validation.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from wavu.audio.files import Recording
from wavu.audio.read import read_audio
from wavu.decode import ctc
from wavu.errors import WavuError
from wavu.progress import track
from wavu.ragged import Ragged
from wavu.selection import Judge, disagreement
from wavu.settings.student import AnyStudent, HeadStudent, Pretrained, Small, StudentTraining, Validation
from wavu.settings.training import Training
from wavu.store import write_json
from wavu.student.model import Student
from wavu.student.train import Utterances, trainer
from wavu.training import Feed, Numbers, best, restore_weights, train

HEARD_SECONDS = 200.0  # of audio at a time when nothing is learned; changes no result
CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True, eq=False)
class Lessons:
    """What there is to learn from, of U utterances.

    labels: phones of each, no silence. confidence (U): in its labels, 0 to 1. speech_seconds (U): of it that are no pause.
    frames (N, d): of the speech, which a head hears.
    """

    recordings: Sequence[Recording]
    labels: Ragged
    confidence: np.ndarray
    speech_seconds: np.ndarray
    frames: Ragged

    def split(self, *, surest: float, held: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Utterances to learn from, the share ``surest`` of the others, and about ``held`` to be judged on (a tenth of few)."""
        usable = np.flatnonzero(self.labels.lengths > 0)
        if len(usable) < 2:
            raise WavuError("fewer than two utterances have any phone; there is nothing to learn from")
        drawn = np.random.default_rng(seed).permutation(usable)
        judged, rest = np.split(drawn, [max(1, min(held, len(usable) // 10))])
        order = rest[np.argsort(-self.confidence[rest], kind="stable")]
        return np.sort(order[: max(1, round(surest * len(order)))]), np.sort(judged)


@dataclass(frozen=True, eq=False)
class Pupil:
    """A student in front of its recordings. inputs: what it sees of utterance u. seconds (U)."""

    student: Student
    inputs: Callable[[int], np.ndarray]
    seconds: np.ndarray

    def hear(self, rows: np.ndarray) -> list[np.ndarray]:
        """Log probabilities (N, P) of some utterances."""
        return self.student.score_each(lambda place: self.inputs(rows[place]), self.seconds[rows], batch_seconds=HEARD_SECONDS)

    def say(self, rows: np.ndarray) -> Ragged:
        """Phones of some utterances, by the best path."""
        return Ragged.of([ctc.greedy(scores)[0][:, 0] for scores in self.hear(rows)], np.int16)


def fine_tune(
    lessons: Lessons,
    folder: Path,
    *,
    phones: list[str],
    encoder: str | None,
    judge: Judge,
    about: dict,
    settings: AnyStudent,
    seed: int,
) -> tuple[Pupil, Ragged, dict]:
    """Train a student and write it to ``folder``; also returns what it says of all utterances, and label-free scores of that.

    phones: V - 1 symbols that labels count. encoder: what is fine-tuned; None where a small network learns from nothing.
    about: where the lessons come from, for the card of an export.
    """
    frame_dim = lessons.frames.flat.shape[1] if isinstance(settings, HeadStudent) else None
    student = new_student(phones, encoder, settings, seed, frame_dim=frame_dim)
    learned, judged = lessons.split(surest=settings.surest, held=settings.validation.utterances, seed=seed)
    pupil = _pupil(student, lessons)
    seconds = pupil.seconds

    def score(rows: np.ndarray, said: Ragged) -> dict:
        differing = disagreement(said, lessons.labels.take(rows))
        return judge.score(said, seconds=float(lessons.speech_seconds[rows].sum()), disagreement=differing)

    training = settings.training
    utterances = Utterances(
        lambda place: pupil.inputs(learned[place]), seconds[learned], lessons.labels.take(learned), training.batch_seconds
    )
    rows = teach(
        student, utterances, lambda: score(judged, pupil.say(judged)), folder, training=training, validation=settings.validation, seed=seed
    )  # fmt: skip
    everything = np.arange(len(seconds))
    said = pupil.say(everything)
    scores = score(everything, said)
    counts = {
        "learned": len(learned),
        "updates": rows[-1]["update"],
        "kept": best(rows)["update"],
        "suspected_failed": judge.suspect(scores),
    }
    known = {"network": _described(student, encoder), "longest_seconds": float(seconds[learned].max()), "scores": scores}
    write_json(folder / "about.json", about | counts | known)
    student.write(folder)
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return pupil, said, counts | {name: round(value, 4) for name, value in scores.items()}


def teach(
    student: Student,
    feed: Feed,
    judge: Callable[[], Numbers],
    folder: Path,
    *,
    training: StudentTraining,
    validation: Validation,
    seed: int,
) -> list[dict]:
    """Train a student until ``judge`` finds nothing better, and leave it with its best weights; all judgements.

    folder: holds a checkpoint from then on, where a run that was killed goes on. training: the size of a batch is up to the feed.
    """
    how = training.plain(*Training.model_fields)
    if training.epochs:
        how["updates"] = min(training.updates, training.epochs * len(feed.epoch(np.random.default_rng(seed))))
    teacher = trainer(student, feed, seed=seed, **how)
    patience = validation.plain("every", "patience")
    weights, rows = train(teacher, judge, folder / CHECKPOINT, what="student", **patience)
    restore_weights(student.model, weights)
    return rows


def _pupil(student: Student, lessons: Lessons) -> Pupil:
    """The student in front of whole recordings or, if it is a head, of the frames of their speech."""
    if student.hears_frames:
        return Pupil(student, lambda place: np.asarray(lessons.frames[place], np.float32), lessons.speech_seconds)
    seconds = np.array([recording.seconds for recording in lessons.recordings])
    return Pupil(student, inputs_of(student, lessons.recordings), seconds)


def new_student(
    phones: list[str], encoder: str | None, settings: Small | Pretrained | HeadStudent, seed: int, *, frame_dim: int | None
) -> Student:
    """Its new weights are drawn from the seed. frame_dim: of what it hears, if it is a head."""
    torch.manual_seed(seed)
    regularisation = settings.regularisation.plain()
    if isinstance(settings, Pretrained):
        assert encoder is not None
        return Student.pretrained(phones, encoder=encoder, regularisation=regularisation)
    if isinstance(settings, Small):
        return Student.small(phones, **settings.network.plain(), regularisation=regularisation)
    assert frame_dim is not None
    return Student.head(phones, dim=frame_dim, **settings.network.plain(), regularisation=regularisation)


def inputs_of(student: Student, recordings: Sequence[Recording]) -> Callable[[int], np.ndarray]:
    """What the student sees of an utterance: mel energies are kept (70 MB an hour), waveforms read when they are wanted."""

    def read(place: int) -> np.ndarray:
        recording = recordings[place]
        try:
            return student.inputs(read_audio(recording.path, start=recording.start, end=recording.end))
        except WavuError as error:
            raise WavuError(
                f"cannot hear {recording.path}: {error}; put it back where manifest.tsv of audio= names it"
            ) from error

    if student.hears_waveforms:
        return read
    with ThreadPoolExecutor() as pool, track("listen", len(recordings), "utterances") as advance:
        kept = []
        for row in pool.map(read, range(len(recordings))):
            kept.append(row.astype(np.float16))
            advance()
    return lambda place: kept[place].astype(np.float32)


def _described(student: Student, encoder: str | None) -> str:
    millions = sum(weight.numel() for weight in student.model.parameters()) / 1e6
    small = (
        "a small conformer on frames of a frozen encoder" if student.hears_frames else "a small conformer, from random weights"
    )
    kind = small if encoder is None else f"{encoder}, fine-tuned"
    return f"{kind} ({millions:.1f} million weights)"
