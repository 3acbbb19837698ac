"""Training of a CTC student on pseudo-labels: batches of similar length, a tri-stage rate, precision and processes by accelerate.

Nothing here can see what was really said: targets are what another recogniser put out.
Shapes: U utterances, B of them in a batch, N frames, P tokens.
"""

from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from torch.nn import functional as F

from wavu.feed import ahead, by_length
from wavu.store import Ragged
from wavu.student.model import Student

LENGTH_NOISE = 0.1  # share by which lengths are blurred before they are sorted, so that batches differ from epoch to epoch


class Trainer:
    """A student and its optimiser between two updates."""

    def __init__(
        self,
        student: Student,
        *,
        inputs: Callable[[int], np.ndarray],
        seconds: np.ndarray,
        targets: Ragged,
        updates: int,
        batch_seconds: float,
        accumulate: int,
        rate: float,
        warm_up: float,
        hold: float,
        final_rate: float,
        weight_decay: float,
        clip: float,
        precision: str,
        seed: int,
    ) -> None:
        """inputs: what the network sees of utterance u, ``Student.inputs``. seconds (U). targets: phones of each, none of them silence.

        batch_seconds: audio per batch and process, padding included. accumulate: batches per update. rate: the highest;
        it is reached after the share ``warm_up`` of the updates, held for the share ``hold``, then falls exponentially to
        ``final_rate`` times itself. precision: no, fp16 or bf16.
        """
        self.accelerator = Accelerator(
            mixed_precision=precision,
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],  # dropped layers have no gradient
        )
        self.student, self.inputs, self.seconds, self.targets = student, inputs, seconds, targets
        self.updates, self.batch_seconds, self.accumulate, self.clip, self.seed = updates, batch_seconds, accumulate, clip, seed
        self.schedule = {"rate": rate, "warm_up": warm_up, "hold": hold, "final_rate": final_rate}
        self.parameters = [weight for weight in student.model.parameters() if weight.requires_grad]
        optimiser = torch.optim.AdamW(self.parameters, lr=rate, betas=(0.9, 0.98), weight_decay=weight_decay)
        self.model, self.optimiser = self.accelerator.prepare(student.model, optimiser)
        self.done = 0

    def run(self) -> Iterator[float]:
        """Do the updates that are left; after each its loss in nats per phone."""
        batches = ahead(map(self._read, islice(self._groups(), self.done * self.accumulate, None)))
        while self.done < self.updates:
            self._begin()
            loss = sum(self._learn(*next(batches)) for _ in range(self.accumulate)) / self.accumulate
            self.accelerator.clip_grad_norm_(self.parameters, self.clip)
            self.optimiser.step()
            self.done += 1
            yield loss

    def state(self) -> dict[str, np.ndarray]:
        """All that is needed to go on from here, to the same bits."""
        moments = {
            f"adam.{index}.{name}": tensor.cpu().numpy()
            for index, slots in self.optimiser.state_dict()["state"].items()
            for name, tensor in slots.items()
        }
        return self.weights() | moments | {"done": np.array(self.done)}

    def weights(self) -> dict[str, np.ndarray]:
        """The part of ``state`` that :func:`restore_weights` takes; a copy."""
        return {f"model.{name}": tensor.cpu().numpy().copy() for name, tensor in self.student.model.state_dict().items()}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Go on from a ``state``."""
        restore_weights(self.student, arrays)
        state: dict[int, dict] = {}
        for name, array in arrays.items():
            if name.startswith("adam."):
                _, index, slot = name.split(".", 2)
                state.setdefault(int(index), {})[slot] = torch.tensor(array)
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": state, "param_groups": groups})
        self.done = int(arrays["done"])

    def _begin(self) -> None:
        """Before an update: gradients gone, the rate of its place in the schedule, and chance that depends on that place alone."""
        self.optimiser.zero_grad()
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(self.done / self.updates, **self.schedule)
        chance = [self.seed, self.done, self.accelerator.process_index]
        drawn = np.random.SeedSequence(chance).generate_state(2)
        torch.manual_seed(int(drawn[0]))
        np.random.seed(int(drawn[1]))  # noqa: NPY002 - transformers draws its masks from it
        self.model.train()

    def _learn(self, inputs: list[np.ndarray], targets: list[np.ndarray]) -> float:
        """Add the gradients of one batch; its loss."""
        with self.accelerator.autocast():
            scores, frames = self.student.forward(inputs, self.model)
        lengths = torch.tensor([len(row) for row in targets], device=scores.device)
        columns = torch.tensor(np.concatenate(targets) + 1, dtype=torch.long, device=scores.device)
        loss = F.ctc_loss(scores.transpose(0, 1), columns, frames, lengths, reduction="sum", zero_infinity=True)
        loss = loss / lengths.sum()
        self.accelerator.backward(loss / self.accumulate)
        return loss.item()

    def _read(self, group: list[int]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        return [self.inputs(index) for index in group], [np.asarray(self.targets[index]) for index in group]

    def _groups(self) -> Iterator[list[int]]:
        """Batches of this process, epoch after epoch."""
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        epoch = 0
        while True:
            noise = np.random.default_rng([self.seed, epoch])
            blurred = self.seconds * noise.uniform(1 - LENGTH_NOISE, 1 + LENGTH_NOISE, len(self.seconds))
            groups = list(by_length(blurred.tolist(), self.batch_seconds, mixed=True))
            order = noise.permutation(len(groups))
            order = np.resize(order, -(-len(order) // world) * world)  # as many for each process
            yield from (groups[index] for index in order[rank::world])
            epoch += 1


def restore_weights(student: Student, arrays: dict[str, np.ndarray]) -> None:
    """Give a student the weights of a ``Trainer.state``."""
    weights = {name.removeprefix("model."): torch.tensor(array) for name, array in arrays.items() if name.startswith("model.")}
    student.model.load_state_dict(weights)


def rate_at(progress: float, *, rate: float, warm_up: float, hold: float, final_rate: float) -> float:
    """The tri-stage schedule of wav2vec 2.0 (Baevski et al. 2020, appendix B) at a share 0 to 1 of the updates."""
    if progress < warm_up:
        return rate * (0.01 + 0.99 * progress / warm_up)
    if progress < warm_up + hold:
        return rate
    return rate * final_rate ** ((progress - warm_up - hold) / max(1e-9, 1 - warm_up - hold))
