"""Training of a CTC student: batches of similar length, and the loss.

Shapes: U utterances, B of them in a batch, N frames, P tokens.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wavu.feed import shuffled
from wavu.ragged import Ragged
from wavu.student.model import Student
from wavu.training import Feed, Numbers, Trainer

Lesson = tuple[list[np.ndarray], list[np.ndarray]]  # what the network sees of B utterances, and their phones


@dataclass(frozen=True, eq=False)
class Utterances:
    """What is learned from, see :class:`wavu.training.Feed`.

    inputs: what the network sees of utterance u, ``Student.inputs``. seconds (U). targets: phones of each, none of them
    silence. batch_seconds: audio per batch and process, padding included.
    """

    inputs: Callable[[int], np.ndarray]
    seconds: np.ndarray
    targets: Ragged
    batch_seconds: float

    def epoch(self, chance: np.random.Generator) -> list[list[int]]:
        """Utterances of each batch."""
        return shuffled(self.seconds, self.batch_seconds, chance)

    def read(self, plan: list[int]) -> Lesson:
        """Inputs and targets of a batch."""
        return [self.inputs(index) for index in plan], [np.asarray(self.targets[index]) for index in plan]


def trainer(student: Student, utterances: Feed, *, seed: int, **settings: object) -> Trainer:
    """What teaches a student; settings: of :class:`wavu.training.Trainer`. Its loss is in nats per phone."""

    def learn(network: nn.Module, lesson: Lesson, progress: float) -> tuple[Tensor, Numbers]:
        scores, frames = student.forward(lesson[0], network)
        return ctc_loss(scores, frames, lesson[1]), {}

    return Trainer(student.model, utterances, learn, seed=seed, **settings)


def ctc_loss(scores: Tensor, frames: Tensor, targets: list[np.ndarray]) -> Tensor:
    """Nats per phone. scores (B, N, P), of which frames (B) are a row's own; targets: phones, the blank not counted."""
    lengths = torch.tensor([len(row) for row in targets], device=scores.device)
    columns = torch.tensor(np.concatenate(targets) + 1, dtype=torch.long, device=scores.device)
    loss = F.ctc_loss(scores.transpose(0, 1), columns, frames, lengths, reduction="sum", zero_infinity=True)
    return loss / lengths.sum()
