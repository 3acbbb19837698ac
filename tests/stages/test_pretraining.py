"""The whole command: something is learned, a killed run goes on, two processes do what one does, nonsense is refused."""

import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from safetensors.numpy import load_file

from tests.pretraining.toy import CODEBOOK, NETWORK, chirps
from tests.test_training import two_processes
from wavu import prepare_audio, pretrain, training
from wavu.prepared import Speech
from wavu.ragged import Ragged
from wavu.store import read_json, read_table

SETTABLE = {name: value for name, value in NETWORK.items() if "conv_" not in name and "num_feat" not in name}
SMALL = [
    "pretrain=tiny", *(f"pretrain.network.{name}={value}" for name, value in SETTABLE.items()),
    "pretrain.network.conv_dim=[16,16,16,16,16,16,16]", *(f"pretrain.codebook.{name}={value}" for name, value in CODEBOOK.items()),
    "pretrain.longest=2", "pretrain.batch=12", "pretrain.training.updates=12", "pretrain.training.rate=5e-3", "pretrain.every=5",
    "objective.settings.mask.length=5",
]  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two languages: eighteen recordings of one, six of the other, of 2 to 3 s."""
    folder = tmp_path_factory.mktemp("corpus")
    for language, count in (("one", 18), ("two", 6)):
        (folder / language).mkdir()
        for number, wave in enumerate(chirps(count, 3.0, seed=len(language) + count)):
            soundfile.write(folder / language / f"{number:02d}.wav", 0.3 * wave[: 32_000 + 1_000 * (number % 16)], 16_000)
    return folder


@pytest.fixture
def run(typed: Callable[..., tuple[int, str]]) -> Callable[..., tuple[int, str]]:
    return partial(typed, pretrain)


def test_hidden_frames_are_guessed_and_prepare_audio_takes_the_folder(
    corpus: Path, tmp_path: Path, run: Callable, typed: Callable
) -> None:
    code, told = run(
        f"audio={corpus / 'one'}",
        f"out_dir={tmp_path / 'encoder'}",
        *SMALL,
        "pretrain.training.updates=40",
        "pretrain.every=10",
    )
    assert (
        code == 0
        and "nats better than chance" in told
        and "codebook perplexity" in told
        and "all codes alike 16, collapsed 2)" in told
    )
    about = read_json(tmp_path / "encoder" / "pretraining.json")
    held, before = about["held_out"], about["before_training"]
    assert held["gain"] > 0.2 > before["gain"] and held["accuracy"] > 2 * held["chance"]
    rows = read_table(tmp_path / "encoder" / "scores.tsv", ["update", "loss", "accuracy", "held_out/gain", "score"])
    assert [int(row["update"]) for row in rows] == [10, 20, 30, 40]
    assert held["gain"] == pytest.approx(max(float(row["held_out/gain"]) for row in rows), abs=1e-4)
    assert list((tmp_path / "encoder" / "curves").iterdir()) and not (tmp_path / "encoder" / "checkpoint.safetensors").exists()
    assert run(
        f"audio={corpus / 'one'}",
        f"out_dir={tmp_path / 'encoder'}",
        *SMALL,
        "pretrain.training.updates=40",
        "pretrain.every=10",
    )[1].endswith("is complete\n")
    code, _ = typed(
        prepare_audio,
        f"audio_dir={corpus / 'one'}", f"out_dir={tmp_path / 'audio'}", f"encoder={tmp_path / 'encoder'}", "kmeans.clusters=8", "vad=none",
    )  # fmt: skip
    assert code == 0 and Speech.read(tmp_path / "audio").frames.flat.shape[1] == NETWORK["hidden_size"]


KILLED = """
import os, signal, sys
from wavu import pretrain, training
written = training.write_tensors
def killed(*what):
    written(*what)
    os.kill(os.getpid(), signal.SIGKILL)
training.write_tensors = killed
sys.argv = {arguments}
pretrain.main()
"""


def test_killed_and_resumed_the_loss_curve_continues(corpus: Path, tmp_path: Path, run: Callable) -> None:
    """Every number of every row, and every weight, is that of a run that nobody has killed."""
    augment = (
        "{speed: {share: 0.5, factors: [0.9, 1.1]}, pitch: {share: 0.1, semitones: 2}, noise: {share: 0.5, decibels: [5, 30]}}"
    )
    same = [f"audio={corpus / 'one'}", *SMALL, f"pretrain.augment={augment}"]
    assert run(*same, f"out_dir={tmp_path / 'whole'}")[0] == 0
    program = KILLED.format(arguments=["pretrain", *same, f"out_dir={tmp_path / 'cut'}"])
    assert subprocess.run([sys.executable, "-c", program], stderr=subprocess.DEVNULL).returncode == -signal.SIGKILL
    assert (tmp_path / "cut" / "checkpoint.safetensors").exists() and not (tmp_path / "cut" / "stage.json").exists()
    code, told = run(*same, f"out_dir={tmp_path / 'cut'}")
    assert code == 0 and "going on after 5 updates" in told
    assert (tmp_path / "cut" / "scores.tsv").read_text() == (tmp_path / "whole" / "scores.tsv").read_text()
    arrays = [load_file(tmp_path / name / "model.safetensors") for name in ("whole", "cut")]
    assert all(np.array_equal(array, arrays[1][name]) for name, array in arrays[0].items())


def test_asked_to_end_it_goes_on_later(corpus: Path, tmp_path: Path, run: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    same = [f"audio={corpus / 'two'}", f"out_dir={tmp_path / 'out'}", *SMALL]
    real = training.Trainer.gradients

    def ended(self: training.Trainer, *batches: object) -> dict:
        if self.done == 7:
            signal.raise_signal(signal.SIGTERM)
        return real(self, *batches)

    monkeypatch.setattr(training.Trainer, "gradients", ended)
    code, told = run(*same)
    assert code != 0 and "run the same command again to go on" in told
    monkeypatch.undo()
    code, told = run(*same)
    assert code == 0 and "going on after 8 updates" in told


def test_two_processes_do_what_one_does_that_accumulates(corpus: Path, tmp_path: Path, run: Callable) -> None:
    same = [
        f"audio={{one: {corpus / 'one'}, two: {corpus / 'two'}}}",
        *SMALL,
        "pretrain.every=1",
        "pretrain.training.updates=2",  # within an epoch: at its end, each process gets as many
    ]
    program = f"import sys; from wavu import pretrain; sys.argv = ['pretrain', *{[*same, f'out_dir={tmp_path}/two']!r}]; pretrain.main()"
    two_processes(program)
    assert run(*same, f"out_dir={tmp_path / 'one'}", "pretrain.training.accumulate=2")[0] == 0
    first, second = (read_table(tmp_path / name / "scores.tsv", ["held_out/contrastive"]) for name in ("one", "two"))
    for row, other in zip(first, second, strict=True):
        assert float(row["held_out/contrastive"]) == pytest.approx(float(other["held_out/contrastive"]), rel=1e-4)
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert max(np.abs(array - two[name]).max() for name, array in one.items()) < 1e-3
    assert read_json(tmp_path / "two" / "stage.json")["counts"]["audio_seconds_by_language"].keys() == {"one", "two"}


def test_hubert_learns_from_mfcc_and_then_from_itself(corpus: Path, tmp_path: Path, run: Callable) -> None:
    turns = "objective.turns=[{teacher: mfcc, clusters: 6, share: 1.0}, {teacher: 6, clusters: 8, share: 1.0}]"
    code, told = run(
        f"audio={corpus / 'one'}",
        f"out_dir={tmp_path / 'out'}",
        "objective=hubert",
        *SMALL,
        "pretrain.training.updates=40",
        "pretrain.every=10",
        turns,
    )
    assert code == 0 and "nats better than chance" in told and "codebook" not in told
    first, second = Ragged.read(tmp_path / "out" / "turn1", "units"), Ragged.read(tmp_path / "out", "units")
    assert len(first) == len(second) == 18 and set(first.flat) == set(range(6)) and set(second.flat) <= set(range(8))
    assert (np.abs(first.lengths - second.lengths) <= 1).all()
    assert read_json(tmp_path / "out" / "turn1" / "config.json")["model_type"] == "hubert"
    held = read_json(tmp_path / "out" / "pretraining.json")["held_out"]
    assert held["accuracy"] > 1.3 * held["chance"]


def test_audio_that_is_not_kept_in_memory_gives_the_same(corpus: Path, tmp_path: Path, run: Callable) -> None:
    for hours in (1, 0):
        assert run(f"audio={corpus / 'two'}", f"out_dir={tmp_path / str(hours)}", *SMALL, f"memory_hours={hours}")[0] == 0
    rows = [read_table(tmp_path / str(hours) / "scores.tsv", ["loss"]) for hours in (1, 0)]
    np.testing.assert_allclose(*([float(row["loss"]) for row in each] for each in rows), rtol=1e-3)


@pytest.mark.parametrize(
    ("settings", "said"),
    [(["start_from=null"], "go together"), (["start_from=nowhere"], "cannot load start_from=nowhere: no such folder")],
)
def test_there_is_something_to_go_on_from(settings: list[str], said: str, corpus: Path, tmp_path: Path, run: Callable) -> None:
    code, told = run(f"audio={corpus / 'one'}", f"out_dir={tmp_path / 'out'}", "pretrain=continued", "memory_hours=0", *settings)
    assert code == 1 and said in told and "Traceback" not in told and not (tmp_path / "out").exists()


def test_a_model_goes_on_being_trained(corpus: Path, tmp_path: Path, run: Callable) -> None:
    assert run(f"audio={corpus / 'one'}", f"out_dir={tmp_path / 'first'}", *SMALL)[0] == 0
    shorter = [
        setting for setting in SMALL if "network" not in setting and "codebook" not in setting and setting != "pretrain=tiny"
    ]
    on = ["pretrain=continued", f"start_from={tmp_path / 'first'}", *shorter, "pretrain.training.precision=no"]
    code, told = run(f"audio={corpus / 'two'}", f"out_dir={tmp_path / 'on'}", *on, "pretrain.training.accumulate=1")
    assert code == 0 and "all codes alike 16, collapsed 2)" in told
    first, on = (read_json(tmp_path / name / "pretraining.json") for name in ("first", "on"))
    assert on["start_from"] == str(tmp_path / "first") and first["before_training"] != on["before_training"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["audio={}"], "must be a folder or a manifest"),
        (["audio=nowhere"], "nowhere is not a folder of recordings"),
        (["min_seconds=9"], "none of the 18 recordings"),
        (["min_seconds=0.1"], "fewer than two spans"),
        (["pretrain.longest=13"], "do not fit into pretrain.batch=12"),
        (["alpha=2"], "alpha=2 must be at most 1"),
        (["start_from=nowhere"], "go together"),
        (["pretrain=huge"], "huge"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(
    settings: list[str], said: str, corpus: Path, tmp_path: Path, run: Callable
) -> None:
    given = [f"audio={corpus / 'one'}", *SMALL, f"out_dir={tmp_path / 'out'}"]
    kept = [each for each in given if each.split("=")[0] != settings[0].split("=")[0]]
    code, told = run(*kept, *settings)
    assert code == 1 and said in told and len(told.strip().splitlines()) <= 2 and "Traceback" not in told
    assert not (tmp_path / "out").exists()


@pytest.mark.gpu
@pytest.mark.parametrize("objective", ["wav2vec2", "hubert"])
def test_it_learns_on_a_gpu_in_bf16(objective: str, corpus: Path, tmp_path: Path, run: Callable) -> None:
    turns = ["objective.turns=[{teacher: mfcc, clusters: 6, share: 1.0}]"] if objective == "hubert" else []
    many = ["pretrain.training.updates=80", "pretrain.every=10", "pretrain.training.precision=bf16"]
    assert run(f"audio={corpus / 'one'}", f"out_dir={tmp_path / 'out'}", f"objective={objective}", *SMALL, *many, *turns)[0] == 0
    held = read_json(tmp_path / "out" / "pretraining.json")["held_out"]
    assert held["accuracy"] > 1.3 * held["chance"]
