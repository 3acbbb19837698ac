"""The last turn of self-training: learns from labels, judges without them, stops, and goes on where it was killed."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import soundfile
import torch
from transformers import AutoModel

from tests.student.test_model import PHONES, encoder
from tests.student.test_train import MASKS, SETTINGS, tones
from wavu import fine_tune, training
from wavu.audio.files import Recording
from wavu.errors import WavuError
from wavu.ragged import Ragged
from wavu.selection import Judge, disagreement
from wavu.settings.student import AnyStudent, HeadStudent, PretrainedStudent, SmallStudent
from wavu.store import read_json
from wavu.student.model import WEIGHTS, Student

TRAINING = {name: value for name, value in SETTINGS.items() if name != "seed"}
VALIDATION = {"utterances": 5, "every": 10, "patience": 100}
SIZES = {"width": 32, "layers": 1, "heads": 2, "kernel": 5}
TOLD = {"phones": PHONES, "encoder": None, "about": {}, "seed": 0}


def settings(kind: type[AnyStudent] = SmallStudent, *, validation: dict | None = None, **training: object) -> AnyStudent:
    name = get_args(kind.model_fields["kind"].annotation)[0]
    blocks = {
        "kind": name,
        "surest": 0.9,
        "regularisation": MASKS | {"mask_feature_prob": 0.0},  # the networks are narrow
        "training": TRAINING | training,
        "validation": VALIDATION | (validation or {}),
    }
    return kind.model_validate(blocks if kind is PretrainedStudent else blocks | {"network": SIZES})


NO_FRAMES = Ragged.of([], np.float32)


def frames_of(waves: list[np.ndarray]) -> Ragged:
    """Log spectra (N, 161) of 20 ms each, in place of an encoder's frames."""
    spectra = [np.fft.rfft(wave[: len(wave) // 320 * 320].reshape(-1, 320) * np.hanning(320)) for wave in waves]
    logs = [np.log(np.abs(rows) + 0.1) for rows in spectra]
    return Ragged.of([(rows - rows.mean()) / rows.std() for rows in logs], np.float16)


@pytest.fixture
def lessons(tmp_path: Path) -> fine_tune.Lessons:
    waves, labels = tones(40, seed=1)
    for number, wave in enumerate(waves):
        soundfile.write(tmp_path / f"{number}.wav", wave, 16_000)
    recordings = [
        Recording(str(number), tmp_path / f"{number}.wav", 0.0, len(wave) / 16_000) for number, wave in enumerate(waves)
    ]
    seconds = np.array([recording.seconds for recording in recordings])
    return fine_tune.Lessons(recordings, labels, np.linspace(0, 1, 40), seconds, frames_of(waves))


def judge(labels: Ragged) -> Judge:
    """Knows how often each phone is said."""
    share = np.log10((np.bincount(labels.flat, minlength=len(PHONES)) + 1) / (len(labels.flat) + len(PHONES)))
    return Judge.of(
        labels, phones=len(PHONES) + 1, log10_probability=lambda lines: np.array([share[row].sum() - 1 for row in lines]),
        sample=50, seed=0, phones_per_second=None, weights={"weighted_lm_perplexity": 1.0, "jsd2": 1.0},
    )  # fmt: skip


def run(lessons: fine_tune.Lessons, folder: Path, **changed: object) -> tuple:
    return fine_tune.fine_tune(
        lessons, folder, **TOLD | {"judge": judge(lessons.labels), "about": {"language": "x"}, "settings": settings(**changed)}
    )


def test_a_student_is_left_that_says_what_it_was_taught(lessons: fine_tune.Lessons, tmp_path: Path) -> None:
    pupil, said, counts = run(lessons, tmp_path / "student", updates=150)
    assert counts["disagreement"] < 0.3  # by chance about 0.8
    assert counts["disagreement"] == pytest.approx(disagreement(said, lessons.labels), abs=1e-4)
    assert [row.tolist() for row in pupil.say(np.array([3, 1]))] == [said[3].tolist(), said[1].tolist()]
    student, about = Student.read(tmp_path / "student"), read_json(tmp_path / "student" / "about.json")
    assert student.phones == PHONES and about["learned"] == round(0.9 * 36) and about["updates"] == 150
    assert about["language"] == "x" and about["scores"]["disagreement"] == pytest.approx(counts["disagreement"], abs=1e-4)
    assert not (tmp_path / "student" / "checkpoint.safetensors").exists()


def test_a_head_learns_from_frames_and_reads_no_recording(lessons: fine_tune.Lessons, tmp_path: Path) -> None:
    deaf = replace(lessons, recordings=[replace(each, path=tmp_path / "gone.wav") for each in lessons.recordings])
    how = {"judge": judge(lessons.labels), "settings": settings(HeadStudent, updates=400)}
    pupil, said, counts = fine_tune.fine_tune(deaf, tmp_path / "student", **TOLD | how)
    assert counts["disagreement"] < 0.3 and len(said) == 40
    student = Student.read(tmp_path / "student")
    assert student.hears_frames and not student.hears_waveforms and student.hop_seconds == 0.02
    inputs = np.asarray(lessons.frames[5], np.float32)
    again = student.score_each(lambda place: inputs, [0.02 * len(inputs)], batch_seconds=10.0)[0]
    assert len(again) == len(inputs) and np.allclose(again, pupil.hear(np.array([5]))[0], atol=1e-5)


def test_no_more_epochs_are_heard_than_are_wanted(lessons: fine_tune.Lessons, tmp_path: Path) -> None:
    _, _, counts = run(lessons, tmp_path / "student", updates=100, epochs=1, batch_seconds=20.0)
    assert (
        1 < counts["updates"] < 20
        and counts["updates"] == run(lessons, tmp_path / "two", epochs=2, batch_seconds=20.0)[2]["updates"] / 2
    )


def test_killed_it_goes_on_to_the_same_weights(
    lessons: fine_tune.Lessons, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(lessons, tmp_path / "whole", updates=30)
    written = training.write_tensors

    def killed(path: Path, *what: object) -> None:
        written(path, *what)
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "write_tensors", killed)
    with pytest.raises(KeyboardInterrupt):
        run(lessons, tmp_path / "cut", updates=30)
    monkeypatch.undo()
    assert (tmp_path / "cut" / "checkpoint.safetensors").exists() and not (tmp_path / "cut" / WEIGHTS).exists()
    run(lessons, tmp_path / "cut", updates=30)
    assert (tmp_path / "cut" / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()


def test_stops_when_nothing_gets_better_and_keeps_the_best(lessons: fine_tune.Lessons, tmp_path: Path) -> None:
    class Falling:
        """A judge whose score is best at the second validation."""

        rows = iter([5.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0])

        def score(self, lines: Ragged, **measured: float) -> dict:
            return {"score": next(self.rows), **measured}

        def suspect(self, scores: dict) -> None:
            return None

    hasty = settings(updates=100, validation={"patience": 3})
    fine_tune.fine_tune(lessons, tmp_path / "stopped", **TOLD, judge=Falling(), settings=hasty)
    assert read_json(tmp_path / "stopped" / "about.json")["updates"] == 50
    patient = settings(updates=100, validation={"every": 20})
    Falling.rows = iter([1.0, *range(2, 9)])
    fine_tune.fine_tune(lessons, tmp_path / "long", **TOLD, judge=Falling(), settings=patient)
    assert (tmp_path / "long" / WEIGHTS).read_bytes() == (tmp_path / "stopped" / WEIGHTS).read_bytes()


def test_learns_from_the_surest_and_never_from_those_it_is_judged_on(lessons: fine_tune.Lessons) -> None:
    learned, judged = lessons.split(surest=0.5, held=5, seed=3)
    assert len(judged) == 4 and len(learned) == 18 and not set(learned) & set(judged)  # a tenth of 40 at most
    others = sorted(set(range(40)) - set(learned) - set(judged))
    assert lessons.confidence[learned].min() > lessons.confidence[others].max()


def test_utterances_without_labels_teach_nothing() -> None:
    rows = Ragged.of([np.array([], int), np.array([1, 2]), np.array([], int), np.array([0])], np.int16)
    learned, judged = fine_tune.Lessons([], rows, np.ones(4), np.ones(4), NO_FRAMES).split(surest=1.0, held=100, seed=0)
    assert sorted([*learned, *judged]) == [1, 3]
    with pytest.raises(WavuError, match="nothing to learn from"):
        fine_tune.Lessons([], rows.take(np.array([0, 1, 2])), np.ones(3), np.ones(3), NO_FRAMES).split(surest=1.0, held=1, seed=0)


def test_an_encoder_is_fine_tuned_but_its_convolutions_stay(lessons: fine_tune.Lessons, tmp_path: Path) -> None:
    chosen = settings(PretrainedStudent, updates=4, batch_seconds=6.0, validation={"every": 2})
    folder = str(encoder(tmp_path / "encoder"))
    how = {"encoder": folder, "judge": judge(lessons.labels), "settings": chosen}
    pupil, _, counts = fine_tune.fine_tune(lessons, tmp_path / "student", **TOLD | how)
    assert counts["updates"] == 4 and pupil.student.hears_waveforms
    before, after = AutoModel.from_pretrained(folder).state_dict(), pupil.student.model.base_model.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved and not [name for name in moved if name.startswith("feature_extractor")]
