"""Training a student: tones are learned, everybody is heard, the loss is CTC's."""

import numpy as np
import torch

from tests.student.test_model import PHONES
from wavu.decode import ctc
from wavu.ragged import Ragged
from wavu.selection import disagreement
from wavu.student.model import Student
from wavu.student.train import Utterances, ctc_loss, trainer
from wavu.training import Trainer

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


def learner(**changed: object) -> tuple[Student, Trainer]:
    torch.manual_seed(0)
    student = Student.small(PHONES, stride=3, width=32, layers=1, heads=2, kernel=5, regularisation=MASKS)
    waves, targets = tones(40, seed=1)
    rows = [student.inputs(wave) for wave in waves]
    settings = SETTINGS | changed
    utterances = Utterances(
        rows.__getitem__, np.array([len(wave) / 16_000 for wave in waves]), targets, settings.pop("batch_seconds")
    )
    return student, trainer(student, utterances, **settings)


def test_tones_are_learned() -> None:
    student, teacher = learner(updates=200)
    losses = [numbers["loss"] for numbers in teacher.run()]
    assert len(losses) == 200 and np.mean(losses[-10:]) < 0.2 * losses[0]
    waves, truth = tones(10, seed=2)
    said = [ctc.greedy(scores)[0][:, 0] for scores in student.score(waves, batch_seconds=60.0)]
    assert disagreement(Ragged.of(said, np.int16), truth) < 0.3  # by chance about 0.8


def test_an_epoch_hears_everybody_once() -> None:
    _, teacher = learner()
    plans = teacher.plans()
    heard: list[int] = []
    while len(heard) < 40:
        heard += next(plans)
    assert sorted(heard) == list(range(40))


def test_the_loss_is_per_phone_whatever_the_company() -> None:
    """One row of one phone in two frames: the paths are a a, a -, - a."""
    scores = torch.tensor([[[0.5, 0.2, 0.3], [0.4, 0.5, 0.1]]]).log()
    expected = -np.log(0.2 * 0.5 + 0.2 * 0.4 + 0.5 * 0.5)
    alone = ctc_loss(scores, torch.tensor([2]), [np.array([0])])
    padded = torch.nn.functional.pad(scores, (0, 0, 0, 3))
    assert np.isclose(alone.item(), expected) and np.isclose(
        ctc_loss(padded, torch.tensor([2]), [np.array([0])]).item(), expected
    )
    twice = ctc_loss(torch.cat([scores, scores]), torch.tensor([2, 2]), [np.array([0]), np.array([0])])
    assert np.isclose(twice.item(), expected)
