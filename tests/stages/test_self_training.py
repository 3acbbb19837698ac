"""The command on the toy language: wrong labels become right, the recogniser opens, mistakes are told in one line."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.gan.toy import FRAMES, PHONES, UNITS, spoil, toy_speech, write_audio_folder, write_text_folder
from wavu.command import composed
from wavu.decipher.viterbi import begins
from wavu.engines.hmm import PhoneHmm, read_hmm
from wavu.engines.read import read_engine
from wavu.errors import WavuError
from wavu.fine_tune import Lessons
from wavu.prepared import Speech
from wavu.ragged import Ragged
from wavu.settings.self_training import SelfTrain
from wavu.stage import fingerprint
from wavu.stages import lessons, self_training
from wavu.store import read_json, read_tensors, write_json, write_table, write_tensors

UTTERANCES = 100
V = len(PHONES)


def truth() -> Ragged:
    """The phone of each frame."""
    labels = toy_speech(UTTERANCES, 0)[1]
    return Ragged(np.repeat(labels.flat, FRAMES), labels.offsets * FRAMES)


def write_members(gan: Path, kernel: np.ndarray, scores: list[float]) -> None:
    """Three members, numbered 5, 6 and 7, each with an early row that means nothing; 6 was chosen."""
    about = {"phones": PHONES, "hears": "segments", "stride": 1, "cut": None, "member": 6}
    about |= {"silence": {"probability": 0.25, "before": 1.0, "after": 1.0}}
    write_tensors(gan / "generator.safetensors", {"kernel": kernel[1:2]}, about)
    write_tensors(
        gan / "members.safetensors", {"kernel": kernel}, about | {"members": [{"number": 5 + place} for place in range(3)]}
    )
    rows = [{"member": 5 + place, "score": 100 - value} for place, value in enumerate(scores)]
    rows += [{"member": 5 + place, "score": value} for place, value in enumerate(scores)]
    write_table(gan / "scores.tsv", rows, ("member", "score"))


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """``audio``, ``text`` and ``gan`` of the toy language, one segment in five labelled wrong; ``other`` is the audio of another."""
    torch.set_num_threads(1)
    write_text_folder(tmp_path / "text")
    write_audio_folder(tmp_path / "audio", UTTERANCES, 0)
    write_audio_folder(tmp_path / "other", UTTERANCES, 1)
    gan = tmp_path / "gan"
    spoil(toy_speech(UTTERANCES, 0)[1], 0.2, 3).write(gan, "labels")
    Speech.read(tmp_path / "audio").starts.write(gan, "starts")
    write_members(gan, np.random.default_rng(0).normal(size=(3, V, 8, 1)).astype(np.float32), [3.0, 1.0, 2.0])
    inputs = {name: fingerprint(read_json(tmp_path / name / "stage.json")) for name in ("audio", "text")}
    write_json(gan / "stage.json", {"command": "gan_train", "config": {}, "inputs": inputs, "counts": {}})
    return tmp_path


def no_gan(given: list[str]) -> None:
    raise AssertionError("another round of GANs was not asked for")


def settings(folders: Path, *changes: str) -> SelfTrain:
    given = [f"{name}={folders / name}" for name in ("gan", "audio", "text")]
    given += [
        f"out_dir={folders / 'hmm'}",
        *(["student=none"] if not any(change.startswith("student=") for change in changes) else []),
        "hmm.iterations=4",
        "hmm.states=2",
        "gaussians.turns=2",
        "gaussians.transform.reach=1",
    ]
    return composed("self_train", SelfTrain, [*given, *changes])


@pytest.mark.parametrize(
    "changes", [("search=words",), ("search=phones",), ("search=phones", "hmm.order=2"), ("gaussians.turns=0",)]
)
def test_wrong_labels_become_right(changes: tuple[str, ...], folders: Path) -> None:
    self_training.self_train(settings(folders, *changes), no_gan)
    out = folders / "hmm"
    labels, states = Ragged.read(out, "labels"), Ragged.read(out, "states")
    right = (labels.flat == truth().flat).mean()
    assert right > 0.92  # 0.8 before
    assert np.array_equal(states.flat // 2, labels.flat) and np.array_equal(states.offsets, labels.offsets)
    counts = read_json(out / "stage.json")["counts"]["hmm"]
    assert counts["labels_changed"] == pytest.approx(0.25, abs=0.06) and counts["suspected_failed"] is None
    assert not (out / "student").exists() and not (out / self_training.HMM_DONE).exists()
    turns = list(counts["evidence"].values())
    assert counts["evidence"][counts["kept"]] == max(turns) and sorted(turns[:-1]) == turns[:-1]
    self_training.self_train(settings(folders, *changes), no_gan)  # complete: nothing to do


def test_gaussians_of_words_know_more_than_units(folders: Path) -> None:
    self_training.self_train(settings(folders), no_gan)
    counts = read_json(folders / "hmm" / "stage.json")["counts"]["hmm"]
    assert counts["kept"].startswith("gaussians") and set(counts["weights"]) == {"words", "phones"}
    assert (Ragged.read(folders / "hmm", "labels").flat == truth().flat).mean() > 0.97
    assert read_json(folders / "hmm" / "words" / "words.json") == counts["weights"]["words"]
    assert (folders / "hmm" / "words" / "words.arpa").read_text() == (folders / "text" / "words.arpa").read_text()


@pytest.mark.parametrize("turns", [0, 2])
def test_the_recogniser_says_of_the_same_speech_what_the_model_says(turns: int, folders: Path) -> None:
    self_training.self_train(settings(folders, f"gaussians.turns={turns}"), no_gan)
    (engine, front_end), speech = read_engine(folders / "hmm"), Speech.read(folders / "audio")
    assert engine.phones == PHONES[:-1]
    if turns:  # encoder frames that are the frames themselves
        front_end, encoded = (
            replace(front_end, mean=np.zeros(8, np.float32), directions=np.eye(8, dtype=np.float32)),
            speech.frames,
        )
    else:
        front_end, encoded = (
            replace(front_end, centroids=np.eye(UNITS)),
            Ragged(np.eye(UNITS)[speech.units.flat], speech.units.offsets),
        )
    states, scores = PhoneHmm.read(folders / "hmm" / "hmm.safetensors", front_end).hear(encoded)
    assert (states.flat // 2 == truth().flat).mean() > 0.92
    assert scores[0].shape == (speech.frames.lengths[0], V * 2)
    heard = next(read_hmm(folders / "hmm", front_end).hear_frames(encoded))
    assert len(heard.phones) == len(heard.times) and heard.scores.shape == scores[0].shape
    about = read_tensors(folders / "hmm" / "hmm.safetensors")[1]
    assert about["states"] == 2 and about["grammar_weight"] in (1.0, 3.0, 6.0)


def test_the_sure_are_right_more_often(folders: Path) -> None:
    gan, labels = folders / "gan", toy_speech(UTTERANCES, 0)[1]
    spoil(labels, 0.3, 3).write(gan, "labels")
    self_training.self_train(settings(folders, "search=phones", "gaussians.turns=1"), no_gan)
    sure = np.load(folders / "hmm" / "confidence.npy")
    assert sure.shape == (UTTERANCES,) and (sure > 0).all() and (sure <= 1).all()
    found, right = Ragged.read(folders / "hmm", "labels"), truth()
    share = np.array([(one == other).mean() for one, other in zip(found, right, strict=True)])
    order = np.argsort(-sure)
    assert share[order[:50]].mean() > share[order[50:]].mean()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (("audio=other",), "gan was not trained on .*other as it is now; give the audio= that gan_train was given"),
        (("audio=text", "text=audio"), "was made by wavu.prepare_text, expected the output of wavu.prepare_audio"),
        (("gan=missing",), "missing does not exist; run python -m wavu.gan_train"),
        (("voters=4",), "has 3 members, too few for voters=4"),
    ],
)
def test_mistakes_are_told_and_leave_nothing(changes: tuple[str, ...], told: str, folders: Path) -> None:
    pairs = [change.split("=") for change in changes]
    given = [f"{name}={folders / value if name in ('gan', 'audio', 'text') else value}" for name, value in pairs]
    with pytest.raises(WavuError, match=told):
        self_training.self_train(settings(folders, *given), no_gan)
    assert not (folders / "hmm").exists()


class Pupil:
    """Hears phones with certainty, two frames and a blank each."""

    def __init__(self, said: Ragged) -> None:
        self.said = said

    def hear(self, rows: np.ndarray) -> list[np.ndarray]:
        paths = [np.stack([self.said[row] + 1] * 2 + [0 * self.said[row]], 1).ravel() for row in rows]
        return [np.log(np.eye(V)[path] * 0.9 + 0.1 / V).astype(np.float32) for path in paths]


def test_the_student_gets_what_the_hmm_found_and_a_kill_does_not_cost_the_hmm(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []

    def taught(given_lessons: Lessons, folder: Path, **how: object) -> tuple:
        given.append((given_lessons, how))
        if len(given) == 1:
            raise KeyboardInterrupt
        return (
            Pupil(given_lessons.labels),
            given_lessons.labels,
            {"updates": 7, "lm_perplexity": 4.0, "disagreement": 0.0, "suspected_failed": "why"},
        )

    monkeypatch.setattr(lessons, "fine_tune", taught)
    config = settings(folders, "student=small", "gaussians.turns=1")
    with pytest.raises(KeyboardInterrupt):
        self_training.self_train(config, no_gan)
    monkeypatch.setattr(self_training, "all_turns", None)  # it is not called again
    self_training.self_train(config, no_gan)
    (first, how), (again, _) = given
    assert np.array_equal(first.labels.flat, again.labels.flat) and np.array_equal(first.confidence, again.confidence)
    out, speech = folders / "hmm", Speech.read(folders / "audio")
    said = Ragged.read(out, "states")
    phones = Ragged(said.flat // 2, said.offsets).keep(begins(said, 2))
    assert np.array_equal(first.labels.flat, phones.flat[phones.flat != V - 1])
    assert [recording.id for recording in first.recordings] == speech.ids
    assert first.speech_seconds == pytest.approx(speech.frames.lengths * 0.02)
    assert how["encoder"] is None and how["phones"] == PHONES[:-1] and how["about"]["utterances"] == UTTERANCES
    counts = read_json(out / "stage.json")["counts"]
    assert counts["suspected_failed"] == "why" and counts["student"]["updates"] == 7
    assert read_json(out / "words" / "words.json") == counts["student"]["weights"]
    assert np.array_equal(Ragged.read(out, "student").flat, first.labels.flat)


@pytest.mark.parametrize("search", ["words", "phones"])
def test_a_student_that_has_not_learned_to_speak_is_left_away(
    search: str, folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    class Mute:
        def hear(self, rows: np.ndarray) -> list[np.ndarray]:
            return [np.log(np.eye(V)[[0] * 20] * 0.9 + 1e-9).astype(np.float32) for _ in rows]

    def taught(given: Lessons, folder: Path, **how: object) -> tuple:
        write_tensors(folder / "model.safetensors", {}, {})
        said = Ragged.of([[]] * len(given.labels), np.int16)
        return Mute(), said, {"updates": 7, "lm_perplexity": np.inf, "disagreement": 1.0, "suspected_failed": "silent"}

    monkeypatch.setattr(lessons, "fine_tune", taught)
    self_training.self_train(settings(folders, "student=small", "gaussians.turns=1", f"search={search}"), no_gan)
    said, out = capsys.readouterr().err, folders / "hmm"
    assert "after 7 updates the student has not learned to speak" in said and "student.training.updates=" in said
    counts = read_json(out / "stage.json")["counts"]
    assert "student" not in counts and counts["suspected_failed"] is None
    assert not list(out.glob("student*")) and not (out / "plan.json").exists()
    engine, _ = read_engine(out)
    assert engine.phones == PHONES[:-1]


def test_a_student_needs_an_encoder_to_fine_tune(folders: Path) -> None:
    with pytest.raises(WavuError, match="prepared with encoder=mfcc"):
        self_training.self_train(settings(folders, "student=wav2vec2"), no_gan)
    assert not (folders / "hmm").exists()


def test_a_second_round_goes_through_generators_that_start_from_the_first(folders: Path) -> None:
    asked = []

    def train_gan(given: list[str]) -> None:
        named = dict(word.split("=", 1) for word in given)
        asked.append(given)
        assert (Path(named["self_trained"]) / "stage.json").exists() and named["audio"] == str(folders / "audio")
        shutil.copytree(folders / "gan", named["out_dir"])
        toy_speech(UTTERANCES, 0)[1].write(Path(named["out_dir"]), "labels")  # all right, for once

    self_training.self_train(settings(folders, "rounds=2", "gaussians.turns=0"), train_gan)
    (given,) = asked
    assert "sweep=rates" in given
    assert read_json(folders / "hmm" / "stage.json")["counts"]["hmm"]["labels_changed"] < 0.1  # of labels of the second GANs


@pytest.mark.parametrize(
    ("verdict", "student", "told"),
    [
        (None, {"suspected_failed": "collapsed", "disagreement": 0.1}, "collapsed"),
        (None, None, "hmm"),
        ("found", {"suspected_failed": "phone order", "disagreement": 0.2}, None),
        ("found", {"suspected_failed": None, "disagreement": 0.9}, "90% of the student's phones"),
        ("failed", {"suspected_failed": None, "disagreement": 0.1}, "failed: PER 0.9"),
    ],
)
def test_a_verdict_has_the_last_word(verdict: str | None, student: dict | None, told: str | None) -> None:
    hmm = {"suspected_failed": "hmm"}
    if verdict:
        hmm = {"verdict": verdict, "suspected_failed": "failed: PER 0.9" if verdict == "failed" else None}
    found = self_training.suspected({"hmm": hmm} | ({"student": student} if student else {}))
    assert found is None if told is None else told in found
