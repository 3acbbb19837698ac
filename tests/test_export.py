"""Export: a folder that transformers opens, with a card that hides nothing; whole or not there."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from transformers import pipeline

from tests.student.test_model import PHONES, said, small, waveforms
from wavu.export import main
from wavu.store import write_json

ABOUT = {
    "language": "en-us", "units": "phone", "utterances": 1_500, "learned": 1_425, "audio_seconds": 4_210.7, "sentences": 4_500,
    "words": 25_640, "labels": "words", "network": "a small conformer (1.0 million weights)", "updates": 300, "kept": 250, "longest_seconds": 6.1,
    "scores": {"score": 1.51, "lm_perplexity": 4.46, "disagreement": 0.02}, "suspected_failed": None,
}  # fmt: skip


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
    folder = tmp_path / "model"
    small().write(folder / "student")
    write_json(folder / "student" / "about.json", ABOUT)
    write_json(folder / "stage.json", {"command": "self_train", "config": {}, "inputs": {}, "counts": {}})
    return folder


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
    write_json(model / "student" / "about.json", ABOUT | {"suspected_failed": "collapsed: 3 of 5 phones used"})
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
