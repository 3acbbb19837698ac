"""The command on the toy language: warm start kept, killed and resumed to the same bits, mistakes told in one line."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from tests.gan.toy import FRAMES, PHONES, spoil, toy_speech, write_audio_folder, write_text_folder
from wavu import gan_train
from wavu.command import CONFIGS
from wavu.errors import WavuError
from wavu.store import Ragged, Speech, Text, read_json, read_table, read_tensors, write_tensors

SMALL = (
    "updates=40",
    "batch_size=8",
    "discriminator.channels=8",
    "validation.every=10",
    "validation.utterances=50",
    "log_every=10",
    "device=cpu",
    "discriminator.head_start=4",
)
UTTERANCES = 150


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """``audio`` and ``text`` of the toy language, as the commands before leave them."""
    write_text_folder(tmp_path / "text")
    write_audio_folder(tmp_path / "audio", UTTERANCES, 0)
    return tmp_path


def settings(folders: Path, name: str, *changes: str) -> dict:
    given = (f"audio={folders}/audio", f"text={folders}/text", f"out_dir={folders}/{name}", *SMALL, *changes)
    with initialize_config_dir(config_dir=str(CONFIGS), version_base="1.3"):
        return OmegaConf.to_container(compose(config_name="gan_train", overrides=list(given)), resolve=True)


def decipher(speech: Speech, text: Text, settings: dict, seed: int, folder: Path) -> None:
    """Stands in for the decipherment: leaves what a phone HMM with 15 % wrong segments would say."""
    labels = spoil(toy_speech(UTTERANCES, 0)[1], 0.15, 3)
    Ragged(np.repeat(labels.flat, FRAMES), labels.offsets * FRAMES).write(folder, "labels")
    write_tensors(folder / "hmm.safetensors", {}, {"silence": {"probability": 0.25, "surround": True}})


def accuracy(folders: Path, name: str) -> float:
    """Share of the frames whose label is right."""
    labels, starts = (Ragged.read(folders / name, part) for part in ("labels", "starts"))
    truth = toy_speech(UTTERANCES, 0)[1]
    right = []
    for own, begins, plain in zip(labels, starts, truth, strict=True):
        right.append(np.repeat(own, np.diff(begins, append=FRAMES * len(plain))) == np.repeat(plain, FRAMES))
    return float(np.concatenate(right).mean())


def test_a_warm_start_becomes_better_and_everything_is_written(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gan_train, "_decipher", decipher)
    gan_train.main_work(settings(folders, "gan"))
    assert accuracy(folders, "gan") > 0.92  # a wrong label beside its like merges two segments, which nobody undoes
    tensors, about = read_tensors(folders / "gan" / "generator.safetensors")
    assert tensors["kernel"].shape == (6, 8, 4) and about == read_json(folders / "gan" / "generator.json")
    assert about["phones"] == PHONES and about["dim"] == 8
    assert [int(row["update"]) for row in read_table(folders / "gan" / "scores.tsv", ["update", "score"])] == [0, 10, 20, 30, 40]
    counts = read_json(folders / "gan" / "stage.json")["counts"]
    assert counts["suspected_failed"] is None and counts["updates"] == 40 and counts["vocabulary_used"] == 1
    assert counts["segments_per_second"] == round(
        counts["segments"] / (len(Speech.read(folders / "audio").frames.flat) * 0.02), 2
    )
    assert 0 < counts["phones_per_second"] <= counts["segments_per_second"] * 1.05  # of those held out; of all
    assert list((folders / "gan" / "curves").iterdir())
    gan_train.main_work(settings(folders, "gan"))  # complete: nothing to do


def test_interrupted_and_resumed_equals_uninterrupted(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, cut = settings(folders, "whole", "warm_start=none"), settings(folders, "cut", "warm_start=none")
    gan_train.main_work(whole)
    plain = gan_train._update

    def dying(run, *rest):
        if run.update == 16:
            os.kill(os.getpid(), signal.SIGTERM)
        return plain(run, *rest)

    monkeypatch.setattr(gan_train, "_update", dying)
    with pytest.raises(KeyboardInterrupt):
        gan_train.main_work(cut)
    assert not (folders / "cut" / "stage.json").exists()
    monkeypatch.setattr(gan_train, "_update", plain)
    gan_train.main_work(cut)
    for name in ("checkpoints/last.safetensors", "generator.safetensors", "labels.npy", "scores.tsv"):
        assert (folders / "whole" / name).read_bytes() == (folders / "cut" / name).read_bytes(), name


def test_killed_between_checkpoints_goes_on_from_the_last(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, cut = settings(folders, "whole", "warm_start=none"), settings(folders, "cut", "warm_start=none")
    gan_train.main_work(whole)
    plain = gan_train._update

    def dying(run, *rest):
        if run.update == 26:
            raise SystemExit
        return plain(run, *rest)

    monkeypatch.setattr(gan_train, "_update", dying)
    with pytest.raises(SystemExit):
        gan_train.main_work(cut)
    monkeypatch.setattr(gan_train, "_update", plain)
    gan_train.main_work(cut)
    assert (folders / "whole" / "generator.safetensors").read_bytes() == (folders / "cut" / "generator.safetensors").read_bytes()


def test_members_are_trained_side_by_side(folders: Path) -> None:
    gan_train.main_work(settings(folders, "three", "members=3", "warm_start=none", "updates=10"))
    gan_train.main_work(settings(folders, "third", "seed=2", "warm_start=none", "updates=10"))
    three, third = (read_tensors(folders / name / "checkpoints" / "last.safetensors")[0] for name in ("three", "third"))
    for name in ("generator.network.kernel", "discriminator.network.first"):
        assert np.allclose(three[name][2], third[name][0], atol=1e-5)
    assert len(read_table(folders / "three" / "scores.tsv", ["member"])) == 6


def test_a_number_that_is_not_finite_is_an_error_and_no_checkpoint(folders: Path) -> None:
    with pytest.raises(WavuError, match="broke down by update .* not finite; lower the learning rates"):
        gan_train.main_work(
            settings(folders, "nan", "warm_start=none", "generator.learning_rate=1e38", "discriminator.learning_rate=1e38")
        )
    assert not (folders / "nan" / "stage.json").exists()


def test_unknown_warm_start(folders: Path) -> None:
    with pytest.raises(WavuError, match="unknown warm_start 'hot'; known: hmm, none"):
        gan_train.main_work(settings(folders, "gan", "warm_start=hot"))
    assert not (folders / "gan").exists()


def test_swapped_folders_are_refused(folders: Path) -> None:
    config = settings(folders, "gan")
    with pytest.raises(WavuError, match="was made by wavu.prepare_text, expected the output of wavu.prepare_audio"):
        gan_train.main_work(config | {"audio": config["text"], "text": config["audio"]})
    assert not (folders / "gan").exists()


def test_a_large_corpus_keeps_utterances_for_validation(folders: Path) -> None:
    config = settings(folders, "gan", "validation.utterances=5")
    speech, text = gan_train.Speech.read(folders / "audio"), gan_train.Text.read(folders / "text")
    exam, train_rows = gan_train._exam(speech, text, config)
    assert len(exam.segments) == 5 and len(train_rows) == UTTERANCES - 5
    exam, train_rows = gan_train._exam(speech, text, settings(folders, "gan", "validation.utterances=50"))
    assert len(exam.segments) == len(train_rows) == UTTERANCES


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
