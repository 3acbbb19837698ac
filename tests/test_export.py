"""Export: a folder that transformers opens, with a card that hides nothing; whole or not there."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel, pipeline

from tests.audio.test_whisper import SIZES
from tests.student.test_model import PHONES, REGULARISATION, said, small, waveforms
from wavu.audio.frontend import FrontEnd
from wavu.engines.read import read_engine
from wavu.export import main
from wavu.store import write_json
from wavu.student.model import Student

ABOUT = {
    "language": "en-us", "units": "phone", "utterances": 1_500, "learned": 1_425, "audio_seconds": 4_210.7, "sentences": 4_500,
    "words": 25_640, "start": "a voice", "labels": "words", "network": "a small conformer (1.0 million weights)", "updates": 300, "kept": 250, "longest_seconds": 6.1,
    "scores": {"score": 1.51, "lm_perplexity": 4.46, "disagreement": 0.02}, "suspected_failed": None,
}  # fmt: skip
COUNTS = {
    "encoder_has_seen": "the encoder has seen recordings alone",
    "hmm": {"verdict": "found: predicted PER 0.10"},
    "suspected_failed": None,
}
DIM = 6


@pytest.fixture
def export(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    def run(model: Path, out: Path) -> int:
        monkeypatch.setattr(sys, "argv", ["wavu.export", f"model={model}", f"out={out}"])
        try:
            main()
        except SystemExit as end:
            return end.code
        return 0

    return run


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return finished(small(), tmp_path / "model")


def finished(student: Student, folder: Path, counts: dict = COUNTS) -> Path:
    student.write(folder / "student")
    write_json(folder / "student" / "about.json", ABOUT)
    write_json(folder / "stage.json", {"command": "self_train", "config": {}, "inputs": {}, "counts": counts})
    return folder


@pytest.fixture
def head(tmp_path: Path) -> Path:
    """A head on two layers of a Whisper with random weights; all of a recording counts as speech."""
    torch.manual_seed(0)
    WhisperModel(WhisperConfig(**SIZES)).save_pretrained(tmp_path / "whisper")
    WhisperFeatureExtractor().save_pretrained(tmp_path / "whisper")
    student = Student.head(PHONES, dim=DIM, width=16, layers=1, heads=2, kernel=5, regularisation=REGULARISATION)
    torch.nn.init.normal_(student.model.lm_head.weight)
    encoder = {
        "kind": "huggingface", "model": str(tmp_path / "whisper"), "layer": [1, 2], "batch_seconds": 60, "precision": "float32"
    }  # fmt: skip
    return finished(student, with_front_end(encoder, tmp_path / "head", dim=2 * SIZES["d_model"]))


def with_front_end(encoder: dict, folder: Path, *, dim: int) -> Path:
    vad = {"kind": "none", "min_pause": 0.0, "padding": 0.0}
    settings = {"vad": vad, "encoder": encoder, "segment": {}, "min_seconds": 0.1, "max_seconds": 60.0}
    frames = np.random.default_rng(0).normal(1.0, 3.0, (500, dim)).astype(np.float32)
    (folder / "frontend").mkdir(parents=True)
    kmeans = {"clusters": 4, "iterations": 2, "restarts": 1}
    FrontEnd.fit(frames, settings=settings, kmeans=kmeans, dim=DIM, bits=16, seed=0, levelled=True).write(folder / "frontend")
    return folder


PIPELINE = """
import json, sys
sys.modules["wavu"] = None  # not installed
import numpy as np
from transformers import pipeline
recogniser = pipeline("automatic-speech-recognition", sys.argv[1], trust_remote_code=True)
heard = [{"raw": waveform, "sampling_rate": 16_000} for waveform in np.load(sys.argv[2]).values()]
print(json.dumps([said["text"] for said in recogniser(heard, batch_size=int(sys.argv[3]))]))
"""


@pytest.mark.parametrize("together", [1, 3])
def test_a_head_takes_its_encoder_along(export: Callable[..., int], head: Path, tmp_path: Path, together: int) -> None:
    heard = [*waveforms(4), np.concatenate(waveforms(40))[: 41 * 16_000]]
    assert export(head, tmp_path / "out") == 0
    np.savez(tmp_path / "heard.npz", *heard)
    command = [sys.executable, "-c", PIPELINE, str(tmp_path / "out"), str(tmp_path / "heard.npz"), str(together)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2_000:]
    engine, _ = read_engine(head)
    assert json.loads(done.stdout) == [" ".join(ours.phones) for ours in engine.hear(heard)]
    assert str(tmp_path) not in (tmp_path / "out" / "config.json").read_text()
    card = (tmp_path / "out" / "README.md").read_text()
    assert "trust_remote_code=True" in card and COUNTS["encoder_has_seen"] in card and "predicted PER 0.10" in card


def test_a_head_on_another_encoder_stays(export: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    student = Student.head(PHONES, dim=DIM, width=16, layers=1, heads=2, kernel=5, regularisation=REGULARISATION)
    model = finished(student, with_front_end({"kind": "mfcc"}, tmp_path / "model", dim=78))
    assert export(model, tmp_path / "out") == 1 and not (tmp_path / "out").exists()
    assert "not Whisper's" in capsys.readouterr().err


def test_the_folder_opens_in_transformers_and_says_the_same(export: Callable[..., int], model: Path, tmp_path: Path) -> None:
    out = tmp_path / "shared" / "recogniser"
    assert export(model, out) == 0
    recogniser, heard = pipeline("automatic-speech-recognition", str(out)), waveforms(50)
    theirs = [recogniser({"raw": waveform.copy(), "sampling_rate": 16_000})["text"] for waveform in heard]
    assert theirs == [said(small(), scores) for scores in small().score(heard, batch_seconds=20.0)]


def test_the_card_says_what_is_known_and_what_is_not(export: Callable[..., int], model: Path, tmp_path: Path) -> None:
    assert export(model, tmp_path / "a") == 0
    card = (tmp_path / "a" / "README.md").read_text()
    head = yaml.safe_load(card.split("---")[1])
    assert head["pipeline_tag"] == "automatic-speech-recognition" and head["language"] == "en"
    assert "1,500 utterances" in card and "4,500 sentences" in card and "4.46" in card and " ".join(PHONES) in card
    assert "no measurement" in card and "Suspected" not in card
    finished(small(), model, COUNTS | {"suspected_failed": "collapsed: 3 of 5 phones used"})
    assert export(model, tmp_path / "b") == 0
    assert "Suspected failed**, judged without labels: collapsed" in (tmp_path / "b" / "README.md").read_text()


def test_what_users_do_wrong(export: Callable[..., int], model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    assert export(model, tmp_path / "full") == 1
    assert "is there already" in capsys.readouterr().err
    assert export(tmp_path / "nothing", tmp_path / "c") == 1
    assert "does not exist" in capsys.readouterr().err
    (model / "student" / "model.safetensors").unlink()
    assert export(model, tmp_path / "c") == 1
    assert "no CTC student" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "model"]
