"""Updates: a run that was cut goes on to the same bits, two processes do what one does that accumulates, the best is kept."""

import os
import signal
import socket
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from wavu import training
from wavu.store import read_tensors
from wavu.training import Trainer, best, rate_at, restore_weights, train

SETTINGS = {
    "updates": 12, "accumulate": 1, "rate": 3e-3, "warm_up": 0.1, "hold": 0.4, "final_rate": 0.05, "weight_decay": 0.01,
    "clip": 1.0, "precision": "no", "seed": 0,
}  # fmt: skip


class Numbers:
    """Seven batches of noise."""

    def epoch(self, chance: np.random.Generator) -> list[int]:
        return chance.permutation(7).tolist()

    def read(self, plan: int) -> Tensor:
        return torch.from_numpy(np.random.default_rng(plan).standard_normal((4, 3))).float()


def learn(network: nn.Module, batch: Tensor, progress: float) -> tuple[Tensor, dict]:
    """Chance plays a part: dropout of torch, and a number of numpy's."""
    loss = network(batch).square().mean() + np.random.random() * network(batch).mean()
    return loss, {"progress": progress}


def teacher(**changed: object) -> Trainer:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 5), nn.Dropout(0.5), nn.Linear(5, 2))
    return Trainer(network, Numbers(), learn, **(SETTINGS | changed))


def gradient(learner: Trainer) -> np.ndarray:
    return np.concatenate([weight.grad.flatten().numpy() for weight in learner.parameters])


def test_a_run_that_was_cut_goes_on_to_the_same_bits() -> None:
    whole, cut, rest = (teacher(accumulate=2) for _ in range(3))
    rows = list(whole.run())
    before = list(islice(cut.run(), 5))
    rest.restore(cut.state())
    assert before + list(rest.run()) == rows and rows[-1]["progress"] == 11 / 12
    for name, array in whole.state().items():
        np.testing.assert_array_equal(array, rest.state()[name], err_msg=name)


def test_accumulated_gradients_are_the_mean_of_each() -> None:
    both = teacher(accumulate=2)
    batches = [both.feed.read(plan) for plan in islice(both.plans(), 2)]
    both.gradients(iter(batches))
    single = []
    for place, batch in enumerate(batches):
        alone = teacher()
        alone.optimiser.zero_grad()
        alone.model.train()
        alone._learn(batch, place)
        single.append(gradient(alone))
    np.testing.assert_allclose(gradient(both), np.mean(single, axis=0), atol=1e-7)


WORKER = """
import numpy as np
from tests.test_training import gradient, teacher
learner = teacher()
learner.gradients(map(learner.feed.read, learner.plans()))
if learner.accelerator.is_main_process:
    np.save({path!r}, gradient(learner))
"""


def two_processes(program: str) -> None:
    """Run a program as the two processes of one group, gradients going by gloo."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    group = {"MASTER_ADDR": "localhost", "MASTER_PORT": port, "WORLD_SIZE": "2", "ACCELERATE_USE_CPU": "true"}
    common = os.environ | group | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", program]
    workers = [subprocess.Popen(command, env=common | {"RANK": str(rank), "LOCAL_RANK": str(rank)}) for rank in range(2)]
    assert [worker.wait(timeout=180) for worker in workers] == [0, 0]


def test_two_processes_average_what_one_would_accumulate(tmp_path: Path) -> None:
    two_processes(WORKER.format(path=str(tmp_path / "gradient.npy")))
    alone = teacher(accumulate=2)
    alone.gradients(map(alone.feed.read, alone.plans()))
    np.testing.assert_allclose(np.load(tmp_path / "gradient.npy"), gradient(alone), atol=1e-7, rtol=1e-5)


def test_the_rate_rises_holds_and_falls() -> None:
    rates = [rate_at(share, rate=1.0, warm_up=0.1, hold=0.4, final_rate=0.05) for share in np.linspace(0, 1, 101)]
    assert rates[0] == pytest.approx(0.01) and rates[10:50] == pytest.approx([1.0] * 40) and rates[-1] == pytest.approx(0.05)
    assert all(a <= b for a, b in zip(rates[:10], rates[1:11], strict=True))
    assert all(a > b for a, b in zip(rates[50:-1], rates[51:], strict=True))


def scores(*values: float) -> callable:
    left = iter(values)
    return lambda: {"score": next(left)}


def test_the_best_weights_are_kept_and_patience_ends(tmp_path: Path) -> None:
    whole = teacher()
    kept, rows = train(whole, scores(3.0, 1.0, 2.0, 2.0, 0.0), tmp_path / "c", what="x", every=2, patience=2)
    assert [row["update"] for row in rows] == [2, 4, 6, 8] and best(rows)["update"] == 4
    again = teacher()
    list(islice(again.run(), 4))
    for name, array in again.weights().items():
        np.testing.assert_array_equal(array, kept[name])
    restore_weights(whole.network, kept)
    assert torch.equal(whole.network[0].weight, again.network[0].weight)


def test_rows_are_means_and_go_on_where_it_was_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict] = []
    _, whole = train(teacher(), lambda: {"score": 1.0}, tmp_path / "whole", what="x", every=5, patience=None, report=seen.append)
    assert whole == seen and [row["update"] for row in whole] == [5, 10, 12]
    losses = [numbers["loss"] for numbers in teacher().run()]
    assert [row["loss"] for row in whole] == pytest.approx([np.mean(losses[:5]), np.mean(losses[5:10]), np.mean(losses[10:])])
    cut = teacher()
    real = cut.run

    def asked_to_end() -> object:
        for numbers in real():
            if cut.done == 7:
                os.kill(os.getpid(), signal.SIGTERM)
            yield numbers

    monkeypatch.setattr(cut, "run", asked_to_end)
    with pytest.raises(KeyboardInterrupt):
        train(cut, lambda: {"score": 1.0}, tmp_path / "cut", what="x", every=5, patience=None)
    rest = teacher()
    _, rows = train(rest, lambda: {"score": 1.0}, tmp_path / "cut", what="x", every=5, patience=None)
    assert rows == whole
    arrays = [read_tensors(tmp_path / name)[0] for name in ("whole", "cut")]
    assert all(np.array_equal(array, arrays[1][name]) for name, array in arrays[0].items())
    assert training.best(rows) is rows[0]
