"""What is made ready for a GPU runs on a CPU at toy size, piece by piece."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

from tests.audio.test_whisper import SIZES
from wavu.demo import make_corpus

SCRIPT = Path(__file__).parents[1] / "scripts" / "gpu_check.sh"
CORPUS = {"seed": 3, "utterances": 12, "held_out": 2, "sentences": 200, "lexicon": 40, "voices": 1, "words_per_minute": 140}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A corpus and an encoder under the names the script looks for; the encoder has random weights."""
    make_corpus(tmp_path / "librispeech-mini", **CORPUS)
    (tmp_path / "text").mkdir()
    (tmp_path / "librispeech-mini" / "sentences.txt").rename(tmp_path / "text" / "en-ljspeech-unpaired.txt")
    torch.manual_seed(0)
    WhisperModel(WhisperConfig(**SIZES)).save_pretrained(tmp_path / "encoder")
    WhisperFeatureExtractor().save_pretrained(tmp_path / "encoder")
    return tmp_path


def check(data: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = ["bash", str(SCRIPT), str(data), str(data / "encoder"), str(data / "out"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=SCRIPT.parents[1])


def test_the_pieces_run_one_after_another(data: Path) -> None:
    done = check(data, "features found cold warm", "toy")
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-1_000:]
    for folder in ("audio", "text", "found", "model", "cold", "warm"):
        assert (data / "out" / folder / "stage.json").exists(), folder
    assert check(data, "features found cold warm", "toy").stdout.count("is complete") == 6


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    assert check(tmp_path, "fast").returncode == 2
    told = subprocess.run(["bash", str(SCRIPT)], capture_output=True, text=True)
    assert told.returncode == 2 and "PIECE: tests, bench" in told.stderr
