"""Updates of a network by its gradients: batches read ahead, a tri-stage rate, precision and processes by accelerate.

Killed, a training goes on to the same bits from its last checkpoint: the chance of each batch depends on its place alone. So
two processes that take a batch each do what one does that accumulates two.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from torch import Tensor, nn

from wavu.feed import ahead
from wavu.progress import say, track
from wavu.store import read_tensors, write_tensors

Numbers = dict[str, float]
# The network, as accelerate has wrapped it, a batch, and the share 0 to 1 of the updates done -> the loss to follow downhill,
# and numbers worth showing.
Learn = Callable[[nn.Module, Any, float], tuple[Tensor, Numbers]]


class Feed(Protocol):
    """What is learned from."""

    def epoch(self, chance: np.random.Generator) -> list[Any]:
        """One pass through it in an order drawn anew: what makes up each batch."""

    def read(self, plan: Any) -> Any:
        """The batch of one entry of an epoch; asked for in another thread while the network works."""


class Trainer:
    """A network and its optimiser between two updates."""

    def __init__(
        self,
        network: nn.Module,
        feed: Feed,
        learn: Learn,
        *,
        updates: int,
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
        """accumulate: batches per update and process. rate: the highest; it is reached after the share ``warm_up`` of the
        updates, held for the share ``hold``, then falls exponentially to ``final_rate`` times itself. weight_decay: decoupled
        from the gradient. clip: greatest norm of the gradient. precision: no, fp16 or bf16.
        """
        self.accelerator = Accelerator(
            mixed_precision=precision,
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],  # dropped layers have no gradient
        )
        self.network, self.feed, self.learn = network, feed, learn
        self.updates, self.accumulate, self.clip, self.seed = updates, accumulate, clip, seed
        self.schedule = {"rate": rate, "warm_up": warm_up, "hold": hold, "final_rate": final_rate}
        self.parameters = [weight for weight in network.parameters() if weight.requires_grad]
        optimiser = torch.optim.AdamW(self.parameters, lr=rate, betas=(0.9, 0.98), weight_decay=weight_decay)
        self.model, self.optimiser = self.accelerator.prepare(network, optimiser)
        self.done = 0

    def run(self) -> Iterator[Numbers]:
        """Do the updates that are left; after each the means of its numbers, ``loss`` among them."""
        batches = ahead(map(self.feed.read, islice(self.plans(), self.done * self.accumulate, None)))
        while self.done < self.updates:
            numbers = self.gradients(batches)
            self.accelerator.clip_grad_norm_(self.parameters, self.clip)
            self.optimiser.step()
            self.done += 1
            yield numbers

    def gradients(self, batches: Iterator[Any]) -> Numbers:
        """Those of the next update, in the weights' ``grad``: means over its batches, and over processes."""
        self.optimiser.zero_grad()
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(self.done / self.updates, **self.schedule)
        self.model.train()
        rows = [self._learn(next(batches), place) for place in range(self.accumulate)]
        return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}

    def plans(self) -> Iterator[Any]:
        """What makes up each batch of this process, epoch after epoch."""
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        epoch = 0
        while True:
            plans = self.feed.epoch(np.random.default_rng([self.seed, epoch]))
            share = -(-len(plans) // world) * world  # as many for each process
            yield from (plans[index % len(plans)] for index in range(rank, share, world))
            epoch += 1

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
        return {f"model.{name}": tensor.cpu().numpy().copy() for name, tensor in self.network.state_dict().items()}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Go on from a ``state``."""
        restore_weights(self.network, arrays)
        state: dict[int, dict] = {}
        for name, array in arrays.items():
            if name.startswith("adam."):
                _, index, slot = name.split(".", 2)
                state.setdefault(int(index), {})[slot] = torch.tensor(array)
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": state, "param_groups": groups})
        self.done = int(arrays["done"])

    def _learn(self, batch: Any, place: int) -> Numbers:
        """Add the gradients of one batch, the one at this place of the update."""
        world, rank = self.accelerator.num_processes, self.accelerator.process_index
        drawn = np.random.SeedSequence([self.seed, self.done, place * world + rank]).generate_state(2)
        torch.manual_seed(int(drawn[0]))
        np.random.seed(int(drawn[1]))  # noqa: NPY002 - transformers draws its masks from it
        # Gradients are averaged over processes with the last batch of an update only.
        with self.accelerator.no_sync(self.model) if place < self.accumulate - 1 else nullcontext():
            with self.accelerator.autocast():
                loss, numbers = self.learn(self.model, batch, self.done / self.updates)
            self.accelerator.backward(loss / self.accumulate)
        return {"loss": loss.item()} | numbers


def train(
    trainer: Trainer,
    judge: Callable[[], Numbers],
    checkpoint: Path,
    *,
    what: str,
    every: int,
    patience: int | None,
    report: Callable[[dict], object] = lambda row: None,
) -> tuple[dict[str, np.ndarray], list[dict]]:
    """Train to the end, or until ``patience`` judgements in a row bring nothing better (None: to the end).

    judge: numbers about the network as it is, asked for after ``every`` updates; the lower its ``score`` the better. checkpoint:
    where a run that was killed goes on. report: told each row as soon as it is known, those of an earlier run too. Returns
    the weights of the best update and all rows; ``best`` finds the one of the weights.

    Raises:
        KeyboardInterrupt: somebody asked the process to end; all is kept.
    """
    kept, rows, recent = _resumed(trainer, checkpoint, what)
    for row in rows:
        report(row)

    def save() -> None:
        if trainer.accelerator.is_main_process:
            arrays = trainer.state() | {f"best.{name}": array for name, array in kept.items()}
            write_tensors(checkpoint, arrays, {"rows": rows, "recent": recent})

    with told_to_stop() as stopped, track(what, trainer.updates, "updates") as advance:
        advance(trainer.done)
        for numbers in trainer.run():
            recent.append(numbers)
            if trainer.done % every == 0 or trainer.done == trainer.updates:
                means = {name: float(np.mean([each[name] for each in recent])) for name in numbers}
                rows.append({"update": trainer.done, **means, **judge()})
                recent.clear()
                report(rows[-1])
                since = len(rows) - 1 - rows.index(best(rows))
                kept = kept if since else trainer.weights()
                save()
                if patience is not None and since >= patience:
                    break
            if stopped.is_set() and trainer.done < trainer.updates:
                save()
                raise KeyboardInterrupt
            advance(note=_noted(numbers, rows))
    return kept, rows


def best(rows: list[dict]) -> dict:
    """The one with the lowest score; the earliest of equals."""
    return min(rows, key=lambda row: row["score"])


def restore_weights(network: nn.Module, arrays: dict[str, np.ndarray]) -> None:
    """Give a network the weights of a ``Trainer.state``."""
    weights = {name.removeprefix("model."): torch.tensor(array) for name, array in arrays.items() if name.startswith("model.")}
    network.load_state_dict(weights)


def rate_at(progress: float, *, rate: float, warm_up: float, hold: float, final_rate: float) -> float:
    """The tri-stage schedule of wav2vec 2.0 (Baevski et al. 2020, appendix B) at a share 0 to 1 of the updates."""
    if progress < warm_up:
        return rate * (0.01 + 0.99 * progress / warm_up)
    if progress < warm_up + hold:
        return rate
    return rate * final_rate ** ((progress - warm_up - hold) / max(1e-9, 1 - warm_up - hold))


@contextmanager
def told_to_stop() -> Iterator[threading.Event]:
    """Set when somebody asks the process to end (SIGTERM, Ctrl-C), so that it can end between two updates."""
    stopped = threading.Event()
    signals = signal.SIGTERM, signal.SIGINT
    before = [signal.signal(each, lambda *_: stopped.set()) for each in signals]
    try:
        yield stopped
    finally:
        for each, handler in zip(signals, before, strict=True):
            signal.signal(each, handler)


def _resumed(trainer: Trainer, checkpoint: Path, what: str) -> tuple[dict[str, np.ndarray], list[dict], list[Numbers]]:
    """The best weights so far, rows, and numbers since the last row, where a run before this one has come."""
    if not checkpoint.exists():
        return {}, [], []
    arrays, about = read_tensors(checkpoint)
    kept = {name.removeprefix("best."): array for name, array in arrays.items() if name.startswith("best.")}
    trainer.restore({name: array for name, array in arrays.items() if not name.startswith("best.")})
    say(f"{what}: going on after {trainer.done:,} updates")
    return kept, about["rows"], about["recent"]


def _noted(numbers: Numbers, rows: list[dict]) -> str:
    score = f", score {rows[-1]['score']:.3f}" if rows else ""
    return ", ".join(f"{name} {value:.3f}" for name, value in numbers.items()) + score
