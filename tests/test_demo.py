"""The whole chain through the public commands, on a language small enough for a minute."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from wavu import demo
from wavu.command import CONFIGS
from wavu.errors import WavuError
from wavu.store import read_json

SIZES = ["demo.utterances=400", "demo.sentences=1500", "demo.lexicon=80"]
TINY_GAN = '"batch_size=16","discriminator.channels=16"'
SHORT = [
    f'stages.cold_gan=["recipe=wav2vec_u","updates=20","validation.every=20",{TINY_GAN}]',
    f'stages.gan_train=["updates=40","validation.every=20",{TINY_GAN},"decipher.search.rounds=2"]',
]


def test_a_language_is_learned_from_speech_and_text_that_do_not_belong_together(tmp_path: Path) -> None:
    out_dir = tmp_path / "demo"
    command = [sys.executable, "-m", "wavu.demo", f"out_dir={out_dir}", "seed=0", *SIZES, *SHORT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    report = read_json(out_dir / "report.json")
    assert report["per"] < 0.15 and report["per_by_stage"]["cold_gan"] > 0.5
    assert list(report["per_by_stage"]) == ["cold_gan", "matching", "hmm", "gan", "self_trained"]
    assert report["suspected_failed"] is None and report["seed"] == 0
    assert sum(report["seconds_by_stage"].values()) == pytest.approx(report["seconds"], abs=1)
    assert "self_train" in done.stdout and "PER" in done.stdout
    # What was learned from and what it is scored on have no sentence in common.
    with open(out_dir / "corpus" / "references.tsv", encoding="utf-8") as file:
        spoken = {row["text"] for row in csv.DictReader(file, delimiter="\t")}
    written = (out_dir / "corpus" / "sentences.txt").read_text(encoding="utf-8").splitlines()
    assert len(spoken) == 400 and len(written) == 1500 and not spoken & set(written)


def test_two_voices_take_turns(tmp_path: Path) -> None:
    total = demo.make_corpus(tmp_path / "corpus", seed=1, utterances=6, sentences=10, lexicon=40, voices=2, words_per_minute=130)
    files = sorted((tmp_path / "corpus" / "audio").glob("*.wav"))
    assert [path.stem for path in files] == [f"{index:05d}" for index in range(6)]
    assert sum(soundfile.info(path).duration for path in files) == pytest.approx(total, abs=0.01)


def settings(*overrides: str) -> dict:
    with initialize_config_dir(config_dir=str(CONFIGS), version_base="1.3"):
        return OmegaConf.to_container(compose(config_name="demo", overrides=list(overrides)), resolve=True)


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    thesis = tmp_path / "corpus" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("five years")
    with pytest.raises(WavuError, match="no demo"):
        demo.main_work(settings(f"out_dir={tmp_path}"))
    assert thesis.read_text() == "five years"


def test_too_many_voices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WavuError, match="voices=9"):
        demo.main_work(settings(f"out_dir={tmp_path}/new", "demo.voices=9"))
    assert not (tmp_path / "new").exists()


def test_a_refused_setting_costs_no_earlier_demo(tmp_path: Path) -> None:
    (tmp_path / demo.MARK).write_text("{}")
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(WavuError, match="voices=0"):
        demo.main_work(settings(f"out_dir={tmp_path}", "demo.voices=0"))
    assert (tmp_path / "report.json").exists()
