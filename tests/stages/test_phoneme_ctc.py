"""Labels of other languages teach an encoder phones; what cannot teach is left out and counted, what was taught is written down."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from transformers import AutoModel

from tests.student.test_model import PHONES, encoder
from tests.student.test_train import tones
from wavu import hub, phoneme_ctc, prepare_audio, training
from wavu.audio.files import Recording
from wavu.audio.read import read_audio
from wavu.errors import WavuError
from wavu.ragged import Ragged
from wavu.selection import disagreement
from wavu.stage import languages_taught
from wavu.stages.labelled import Taught
from wavu.stages.phoneme_ctc import Balanced, error_rates
from wavu.store import read_json, read_table, write_json, write_table
from wavu.student import borrowed
from wavu.student.model import WEIGHTS, Student
from wavu.student.train import Utterances
from wavu.zero_shot import refuse_known

QUICK = [
    "fine_tuning=tiny", "fine_tuning.training.updates=6", "fine_tuning.training.batch_seconds=8",
    "fine_tuning.validation.every=3", "fine_tuning.validation.utterances=4", "min_phone_share=0.0",
]  # fmt: skip


@pytest.fixture
def run(typed: Callable[..., tuple[int, str]]) -> Callable[..., tuple[int, str]]:
    return partial(typed, phoneme_ctc)


@pytest.fixture
def corpus(tmp_path: Path) -> list[str]:
    """Twenty utterances of tones in each of two languages, each tone a word; the arguments that name them."""
    for seed, language in enumerate(("de", "xx")):
        waves, rows = tones(20, seed=seed)
        folder = tmp_path / language
        folder.mkdir()
        for number, wave in enumerate(waves):
            soundfile.write(folder / f"{number}.wav", wave, 16_000)
        said = [" ".join("abcde"[phone] for phone in row) for row in rows]
        write_table(folder / "labels.tsv", [{"id": n, "text": text} for n, text in enumerate(said)], ("id", "text"))
        spelled = [{"word": word, "phones": phone} for word, phone in zip("abcde", PHONES, strict=True)]
        write_table(folder / "lexicon.tsv", spelled, ("word", "phones"))
    where = {
        name: f"{{de: {tmp_path / 'de' / name}, xx: {tmp_path / 'xx' / name}}}" for name in (".", "labels.tsv", "lexicon.tsv")
    }
    start = encoder(tmp_path / "encoder")
    return [
        f"audio={where['.']}",
        f"labels={where['labels.tsv']}",
        f"lexicon={where['lexicon.tsv']}",
        f"start_from={start}",
        *QUICK,
    ]


def test_what_is_left_hears_phones_and_says_what_it_was_taught(corpus: list[str], tmp_path: Path, run) -> None:
    out = tmp_path / "out"
    code, told = run(*corpus, f"out_dir={out}")
    assert code == 0, told
    assert "40 utterances (de " in told and "5 phones" in told and "PER " in told
    about, counts = read_json(out / "about.json"), read_json(out / "stage.json")["counts"]
    assert list(about["languages"]) == ["de", "xx"] and about["start_from"] == str(tmp_path / "encoder")
    assert counts["learned"] == 36 and counts["held_out"] == 4 and counts["updates"] == 6 and counts["left_out"] == 0
    assert about["PER"] == pytest.approx(np.mean([each["PER"] for each in about["languages"].values()]), abs=1e-4)
    student = Student.read(out)
    assert sorted(student.phones) == sorted(PHONES) and not (out / "checkpoint.safetensors").exists()
    rows = read_table(out / "validations.tsv", ["update", "loss", "score", "PER de", "PER xx"])
    assert [row["update"] for row in rows] == ["3", "6"]
    before, after = AutoModel.from_pretrained(tmp_path / "encoder").state_dict(), student.model.base_model.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved and not [name for name in moved if name.startswith("feature_extractor")]
    assert "is complete" in run(*corpus, f"out_dir={out}")[1]


def test_a_small_network_learns_without_an_encoder(corpus: list[str], tmp_path: Path, run) -> None:
    small = {"width": 32, "layers": 1, "heads": 2, "kernel": 5}
    settings = [f"fine_tuning.network.{name}={value}" for name, value in small.items()]
    settings += [
        "start_from=null",
        "fine_tuning=small",
        "fine_tuning.training.updates=150",
        "fine_tuning.training.rate=3e-3",
        "fine_tuning.validation.every=50",
    ]
    code, told = run(*corpus[:3], *QUICK[2:3], *QUICK[4:], *settings, f"out_dir={tmp_path / 'out'}")
    assert code == 0, told
    assert read_json(tmp_path / "out" / "about.json")["PER"] < 0.4  # by chance about 0.8
    student = borrowed.read(hub.Source(str(tmp_path / "out")))
    (scores,) = student.score([read_audio(tmp_path / "de" / "0.wav")], batch_seconds=10.0)
    assert student.phones == Student.read(tmp_path / "out").phones and len(scores)


def test_zero_shot_does_not_take_it_for_a_language_it_was_taught(corpus: list[str], tmp_path: Path, run) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    run(*corpus, f"out_dir={first}")
    with pytest.raises(WavuError, match="no zero-shot"):
        refuse_known(str(first), "de")
    refuse_known(str(first), "en-us")
    one = [
        argument.split("=")[0] + f"={{xx: {tmp_path / 'xx' / name}}}"
        for argument, name in zip(corpus, (".", "labels.tsv", "lexicon.tsv"), strict=False)
    ]
    code, told = run(*one, f"start_from={first}", *QUICK, f"out_dir={second}")
    assert code == 0, told
    assert sorted(languages_taught(str(second))) == ["de", "xx"]  # what it started from counts too


def test_prepare_audio_says_whose_labels_have_touched_an_encoder(
    corpus: list[str], tmp_path: Path, run, monkeypatch, capsys
) -> None:
    run(*corpus, f"out_dir={tmp_path / 'taught'}")
    arguments = [f"audio_dir={tmp_path / 'de'}", "vad=none", "kmeans.clusters=4"]
    for name in ("taught", "encoder"):
        monkeypatch.setattr(
            sys, "argv", ["prepare_audio", *arguments, f"encoder={tmp_path / name}", f"out_dir={tmp_path / 'audio' / name}"]
        )
        prepare_audio.main()
        told = capsys.readouterr().err
        assert ("labels of de, xx have touched this encoder" in told) == (name == "taught")


def test_killed_it_goes_on_to_the_same_weights(corpus: list[str], tmp_path: Path, run, monkeypatch) -> None:
    run(*corpus, f"out_dir={tmp_path / 'whole'}")
    written = training.write_tensors

    def killed(path: Path, *what: object) -> None:
        written(path, *what)
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "write_tensors", killed)
    assert run(*corpus, f"out_dir={tmp_path / 'cut'}")[0] == 130
    monkeypatch.setattr(training, "write_tensors", written)
    code, told = run(*corpus, f"out_dir={tmp_path / 'cut'}")
    assert code == 0 and "going on after 3 updates" in told
    assert (tmp_path / "cut" / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()


@pytest.mark.parametrize(("alpha", "share"), [(1.0, 0.1), (0.5, 0.25), (0.0, 0.5)])
def test_languages_with_little_audio_come_more_often(alpha: float, share: float) -> None:
    languages = np.array([0] * 90 + [1] * 10)
    utterances = Utterances(lambda row: np.zeros(1), np.ones(100), Ragged.of([np.array([0])] * 100, np.int16), 10.0)
    chance = np.random.default_rng(0)
    heard = np.concatenate([np.concatenate(Balanced(utterances, languages, alpha).epoch(chance)) for _ in range(5)])
    assert np.mean(languages[heard.astype(int)] == 1) == pytest.approx(share, abs=0.02)
    if alpha == 1.0:
        assert sorted(heard[:100].astype(int)) == list(range(100))


def test_the_rate_that_is_kept_counts_each_language_alike() -> None:
    class Deaf:
        def say(self, rows: np.ndarray) -> Ragged:
            return Ragged.of([np.array([0])] * len(rows), np.int16)

    labels = Ragged.of([np.array([0])] * 3 + [np.array([1, 1])], np.int16)
    recordings = [Recording(str(n), Path("x"), 0.0, 1.0) for n in range(4)]
    both = Taught(recordings, [["a"]] * 4, np.array([0, 0, 0, 1]), ["l0", "l1"], [])
    rates = error_rates(Deaf(), labels, np.arange(4), both)
    assert rates == {"score": 0.5, "PER l0": 0.0, "PER l1": 1.0}
    assert rates["PER l1"] == disagreement(Ragged.of([np.array([0])], np.int16), labels.take(np.array([3])))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["audio=nowhere", "labels=nowhere"], "names no language"),
        (["audio={de: here}", "labels={de: there.tsv}", "start_from=null"], "go together"),
        (["audio={de: here}", "labels={es: there.tsv}"], "each language needs both"),
        (["audio={klingon: here}", "labels={klingon: there.tsv}"], "espeak does not speak"),
        (["audio={de: here}", "labels={de: there.tsv}", "lexicon={es: l.tsv}"], "of which there is no audio"),
    ],
)
def test_settings_that_cannot_work_are_refused_in_one_line(arguments: list[str], reason: str, tmp_path: Path, run) -> None:
    code, told = run("start_from=x", *arguments, f"out_dir={tmp_path / 'out'}")
    assert code == 1 and reason in told and told.count("\n") == 1 and not (tmp_path / "out").exists()


def test_an_encoder_that_is_not_there_leaves_nothing_behind(corpus: list[str], tmp_path: Path, run) -> None:
    code, told = run(
        *[f"start_from={tmp_path / 'de'}" if each.startswith("start_from=") else each for each in corpus],
        f"out_dir={tmp_path / 'out'}",
    )
    assert code == 1 and "cannot load the encoder" in told and not (tmp_path / "out").exists()


def test_whose_labels_a_model_has_seen(tmp_path: Path) -> None:
    assert languages_taught(str(tmp_path)) is None and languages_taught("facebook/some-model") is None
    write_json(tmp_path / "about.json", {"language": "de"})  # what self_train leaves: no label was read
    assert languages_taught(str(tmp_path)) == []
