"""Training: tones are learned, a run that was cut goes on to the same bits, two processes learn what one does."""

import os
import socket
import subprocess
import sys
from itertools import islice

import numpy as np
import pytest
import torch

from tests.student.test_model import PHONES
from wavu.decode import ctc
from wavu.selection import disagreement
from wavu.store import Ragged
from wavu.student.model import Student
from wavu.student.train import Trainer, rate_at

SETTINGS = {
    "updates": 60, "batch_seconds": 12.0, "accumulate": 1, "rate": 3e-3, "warm_up": 0.1, "hold": 0.4, "final_rate": 0.05,
    "weight_decay": 0.01, "clip": 1.0, "precision": "no", "seed": 0,
}  # fmt: skip
MASKS = {"mask_time_prob": 0.05, "mask_time_length": 2, "layerdrop": 0.1}


def tones(count: int, seed: int) -> tuple[list[np.ndarray], Ragged]:
    """Sequences of tones, each phone with a pitch of its own, and the phones."""
    noise = np.random.default_rng(seed)
    waves, rows = [], []
    for _ in range(count):
        row = noise.integers(0, len(PHONES), size=noise.integers(3, 8))
        pitch = np.repeat(300 * 1.6**row, 1_920)
        waves.append(
            (0.2 * np.sin(2 * np.pi * np.cumsum(pitch) / 16_000) + 0.003 * noise.standard_normal(len(pitch))).astype(np.float32)
        )
        rows.append(row[np.append(True, row[1:] != row[:-1])])
    return waves, Ragged.of(rows, np.int16)


def trainer(**changed: object) -> Trainer:
    torch.manual_seed(0)
    student = Student.small(PHONES, stride=3, width=32, layers=1, heads=2, kernel=5, regularisation=MASKS)
    waves, targets = tones(40, seed=1)
    rows = [student.inputs(wave) for wave in waves]
    seconds = np.array([len(wave) / 16_000 for wave in waves])
    return Trainer(student, inputs=rows.__getitem__, seconds=seconds, targets=targets, **(SETTINGS | changed))


def gradient(learner: Trainer) -> np.ndarray:
    """Of all weights; zero for what was not used, as the mask is not without chance."""
    parts = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in learner.parameters]
    return np.concatenate([part.flatten().numpy() for part in parts])


def test_tones_are_learned() -> None:
    learner = trainer(updates=200)
    losses = list(learner.run())
    assert len(losses) == 200 and np.mean(losses[-10:]) < 0.2 * losses[0]
    waves, truth = tones(10, seed=2)
    said = [ctc.greedy(scores)[0][:, 0] for scores in learner.student.score(waves, batch_seconds=60.0)]
    assert disagreement(Ragged.of(said, np.int16), truth) < 0.3  # by chance about 0.8


def test_a_run_that_was_cut_goes_on_to_the_same_bits() -> None:
    whole, cut, rest = (trainer(updates=12, accumulate=2) for _ in range(3))
    losses = list(whole.run())
    before = list(islice(cut.run(), 5))
    rest.restore(cut.state())
    assert before + list(rest.run()) == losses
    for name, array in whole.state().items():
        np.testing.assert_array_equal(array, rest.state()[name], err_msg=name)


def test_accumulating_is_a_larger_batch() -> None:
    """Gradients of two batches add up, each weighing the same."""
    learner = trainer(accumulate=2)
    group = next(learner._groups())
    learner._begin()
    learner.model.eval()  # no chance
    learner._learn(*learner._read(group))
    learner._learn(*learner._read(group))
    twice = gradient(learner)
    once = trainer(accumulate=1)
    once._begin()
    once.model.eval()
    once._learn(*once._read(group))
    np.testing.assert_allclose(gradient(once), twice, atol=1e-6, rtol=1e-4)


def test_the_rate_rises_holds_and_falls() -> None:
    rates = [rate_at(share, rate=1.0, warm_up=0.1, hold=0.4, final_rate=0.05) for share in np.linspace(0, 1, 101)]
    assert rates[0] == pytest.approx(0.01) and rates[10:50] == pytest.approx([1.0] * 40) and rates[-1] == pytest.approx(0.05)
    assert all(a <= b for a, b in zip(rates[:10], rates[1:11], strict=True))
    assert all(a > b for a, b in zip(rates[50:-1], rates[51:], strict=True))


def test_an_epoch_hears_everybody_once() -> None:
    learner = trainer()
    groups = learner._groups()
    heard: list[int] = []
    while len(heard) < 40:
        heard += next(groups)
    assert sorted(heard) == list(range(40))


WORKER = """
import numpy as np, torch
from tests.student.test_train import gradient, trainer
learner = trainer(updates=1, clip=1e9)
learner._begin(); learner.model.eval()
learner._learn(*learner._read(next(learner._groups())))
if learner.accelerator.is_main_process:
    np.save({path!r}, gradient(learner))
"""


def test_two_processes_average_what_each_has_learned(tmp_path: str) -> None:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    path = str(tmp_path / "gradient.npy")
    common = os.environ | {
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": port,
        "WORLD_SIZE": "2",
        "ACCELERATE_USE_CPU": "true",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-c", WORKER.format(path=path)]
    workers = [subprocess.Popen(command, env=common | {"RANK": str(rank), "LOCAL_RANK": str(rank)}) for rank in range(2)]
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
    alone = trainer(updates=1)
    groups = alone._groups()
    expected = 0.0
    for _ in range(2):
        alone._begin()
        alone.model.eval()
        alone._learn(*alone._read(next(groups)))
        expected = expected + gradient(alone) / 2
    np.testing.assert_allclose(np.load(path), expected, atol=1e-6, rtol=1e-3)
