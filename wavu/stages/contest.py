"""Generators against discriminators, update by update: judged, kept, stopped and replaced along the way."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from torch.utils.tensorboard import SummaryWriter

from wavu.gan.batches import Batches
from wavu.gan.generator import described
from wavu.gan.population import Population
from wavu.gan.run import Run
from wavu.pictures.members import members_table
from wavu.pictures.pictures import confusion, heat_map
from wavu.progress import console, say, track
from wavu.ragged import Ragged
from wavu.stages.exam import Exam
from wavu.store import write_tensors
from wavu.training import best, told_to_stop


@dataclass(frozen=True)
class Schedule:
    """When what is done, counted in updates.

    updates: to be made in all. log_every, validate_every: between two points of the loss curves, and two exams.
    checkpoint_minutes: at most between two checkpoints. keep_all: whether everybody's generator is written at each exam.
    replace_after: the collapsed give their places away from then on, None: to nobody. mutation: factors of a copy's settings.
    """

    updates: int
    log_every: int
    validate_every: int
    checkpoint_minutes: float
    keep_all: bool
    replace_after: int | None
    mutation: list[float]


def play(run: Run, batches: Batches, exam: Exam, schedule: Schedule, out_dir: Path, *, precision: str) -> float:
    """All updates that are still to be made; returns how many were made per second, times members.

    precision: of products: float32, tf32 or bf16.

    Raises:
        KeyboardInterrupt: the process was told to stop, and a checkpoint is written.
    """
    checkpoint, updates = out_dir / "checkpoints" / "last.safetensors", schedule.updates
    if checkpoint.exists():
        run.resume(checkpoint)
        say(f"going on after update {run.population.update:,}")
    # What was drawn after the checkpoint, or by a run that was killed before its first one, is drawn again.
    curves = SummaryWriter(str(out_dir / "curves"), purge_step=run.population.update + 1 if checkpoint.exists() else 0)
    if not checkpoint.exists():
        _validate(run, exam, schedule, curves, out_dir)
    began = saved = time.perf_counter()
    made = 0
    columns = partial(members_table, limit=max(4, console.height - 4))
    with curves, told_to_stop() as stopped, _precision(precision, run.population.device) as cast:
        with track("gan_train", updates - run.population.update, "updates", table=lambda: columns(run.newest())) as advance:
            while run.population.update < updates and not stopped.is_set():
                with cast():
                    terms = run.population.train(batches.draw(run.population.seeds, run.population.update + 1))
                made += len(run.population.members)
                update = run.population.update
                if update % schedule.log_every < 2:  # a step of each player
                    _log(curves, run.population, terms)
                due = update % schedule.validate_every == 0 or update == updates
                if due:
                    _validate(run, exam, schedule, curves, out_dir)
                if due or time.perf_counter() - saved > schedule.checkpoint_minutes * 60:
                    run.save(checkpoint)
                    saved = time.perf_counter()
                advance(note=run.standing())
        run.save(checkpoint)
    if stopped.is_set():
        raise KeyboardInterrupt
    return made / (time.perf_counter() - began)


def _validate(run: Run, exam: Exam, schedule: Schedule, curves: SummaryWriter, out_dir: Path) -> None:
    """Judge everybody, stop who is broken, give the places of the collapsed away."""
    run.stop_broken()
    rows, labels = exam.take(run.population)
    run.note(rows)
    if schedule.keep_all:
        _keep(run.population, out_dir / "generators")
    for row in rows:
        for name, value in row.items():
            if isinstance(value, float):
                curves.add_scalar(f"scores/{name}/{row['member']}", value, row["update"])
    if exam.theirs is not None:
        winner = rows.index(best(rows))
        _draw_confusion(curves, exam, labels[winner], rows[winner])
    first = schedule.replace_after
    if first is not None and first <= run.population.update < schedule.updates:
        run.replace_collapsed(rows, schedule.mutation)


def _keep(population: Population, folder: Path) -> None:
    """Write all generators as they are after this update."""
    weights = {name: value.cpu().numpy() for name, value in population.generator.network.state_dict().items()}
    about = described(population.generator.network) | {"members": [asdict(member) for member in population.members]}
    write_tensors(folder / f"{population.update:07d}.safetensors", weights, about)


def _draw_confusion(curves: SummaryWriter, exam: Exam, labels: Ragged, row: dict) -> None:
    """What the best member calls the phones of the warm start."""
    matrix = confusion(labels, exam.theirs, phones=exam.silence + 1)
    title = f"member {row['member']} (columns) against the warm start (rows), update {row['update']:,}"
    curves.add_image("confusion", heat_map(matrix, exam.phones, exam.phones, title), row["update"], dataformats="HWC")


def _log(curves: SummaryWriter, population: Population, terms: dict[str, torch.Tensor]) -> None:
    """Points of the loss curves, one curve per member."""
    for name, values in terms.items():
        for member, value in zip(population.members, values.tolist(), strict=True):
            curves.add_scalar(f"{name}/{member.number}", value, population.update)


@contextmanager
def _precision(kind: str, device: torch.device) -> Iterator[Callable]:
    """How exactly products are computed; in bf16 the weights, their memory and the losses stay float32."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest" if kind == "float32" else "high")
    try:
        yield partial(torch.autocast, device.type, torch.bfloat16) if kind == "bf16" else nullcontext
    finally:
        torch.set_float32_matmul_precision(before)
