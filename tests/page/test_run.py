"""Which stages a folder holds, and what they say."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from wavu.errors import WavuError
from wavu.page.run import Run
from wavu.store import read_json, write_json


def test_the_stages_that_are_there(run_folder: Path) -> None:
    assert list(Run.read(run_folder).records) == ["audio", "text", "found", "model"]
    (run_folder / "model" / "stage.json").unlink()  # begun, not finished
    run = Run.read(run_folder)
    assert list(run.records) == ["audio", "text", "found"] and run.counts("model") == {} and run.aligned is None


def test_what_each_system_says_the_best_one_last(run_folder: Path) -> None:
    said = Run.read(run_folder).sequences()
    assert list(said) == ["segments", "HMM", "student"]
    assert said["segments"]["one"] == ["t", "a", "k", "i"]
    assert said["HMM"]["one"] == said["student"]["one"] == ["k", "a", "k", "i"]


def test_silence_is_not_said_and_repeats_are_one(run_folder: Path) -> None:
    labels = np.array([0, 0, 5, 1] * 3, np.int16)
    np.save(run_folder / "found" / "labels.npy", labels)
    assert Run.read(run_folder).sequences()["segments"]["two"] == ["t", "a"]


def test_a_gan_names_the_segments_where_it_came_after(run_folder: Path) -> None:
    shutil.copytree(run_folder / "found", run_folder / "gan")
    write_json(run_folder / "gan" / "stage.json", read_json(run_folder / "found" / "stage.json") | {"command": "gan_train"})
    assert Run.read(run_folder).labelled == "gan"


def test_nothing_has_named_the_segments(run_folder: Path) -> None:
    for name in ("found", "model"):
        shutil.rmtree(run_folder / name)
    run = Run.read(run_folder)
    assert run.labelled is None and run.labels is None and run.said == {} and len(run.starts) == 3


def test_a_folder_that_is_no_run_is_refused(run_folder: Path) -> None:
    with pytest.raises(WavuError, match="is no folder"):
        Run.read(run_folder / "nowhere")
    with pytest.raises(WavuError, match="prepare_audio"):
        Run.read(run_folder / "text")
    shutil.move(run_folder / "model", run_folder / "gan")
    with pytest.raises(WavuError, match="made by wavu.self_train, expected the output of wavu.gan_train"):
        Run.read(run_folder)
