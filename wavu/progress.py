"""What a person sees while work goes on: one line with rate and time left, or a line now and then in a log file."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from wavu import units

console = Console(stderr=True, highlight=False)

LOG_EVERY_SECONDS = 15.0
TABLE_EVERY_SECONDS = 1.0


_parts: list[str] = []


@contextmanager
def part(name: str) -> Iterator[None]:
    """Within the block, the lines of :func:`track` begin with ``name``: which part of a longer work they are of."""
    _parts.append(name)
    try:
        yield
    finally:
        _parts.pop()


def say(line: str) -> None:
    """One line to the reader (standard error, so that results on standard output stay clean)."""
    console.print(line, markup=False, soft_wrap=True)


@contextmanager
def track(what: str, total: float, unit: str, table: Callable[[], Table] | None = None) -> Iterator[Callable[..., None]]:
    """A progress line. The block gets ``advance(n, note="")``, to be called after each ``n`` units of work.

    On a terminal the line lives, and below it ``table()``, asked for within ``advance`` once a second and cut to the height of
    the terminal. In a log the line is printed every 15 seconds, and no table.
    """
    what = " ".join([*_parts, what])
    if console.is_terminal:
        with _living(what, total, unit, table) as advance:
            yield advance
    else:
        yield _logged(what, total, unit)


class _Left(ProgressColumn):
    """The time that is left by the rate so far, the wait since the last advance included."""

    def render(self, task: Task) -> Text:
        """As a log has it."""
        return Text(_left(task.completed, task.total or 0.0, task.elapsed or 0.0))


def _left(done: float, total: float, seconds: float) -> str:
    """When so much of a total, done in so many seconds, will be all of it."""
    return f"ETA {units.duration_words(max(0.0, total - done) * seconds / done)}" if done and seconds else "ETA unknown"


@contextmanager
def _living(what: str, total: float, unit: str, table: Callable[[], Table] | None) -> Iterator[Callable[..., None]]:
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit), TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(), _Left(), TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    line = Progress(*columns, console=console)
    task = line.add_task(what, total=total, rate="", note="")
    asked = -math.inf
    # A table takes ten times longer to draw than a line, and work waits while it is drawn.
    with Live(line, console=console, transient=True, refresh_per_second=1 / TABLE_EVERY_SECONDS if table else 10) as live:

        def advance(n: float = 1, note: str = "") -> None:
            nonlocal asked
            line.update(task, advance=n, note=note, rate=f"{line.tasks[0].speed or 0:.4g} {unit}/s")
            if table and time.monotonic() - asked >= TABLE_EVERY_SECONDS:
                live.update(Group(line, table()))
                asked = time.monotonic()

        try:
            yield advance
        finally:
            live.update(line)  # the last drawing is not cut to the terminal's height, and what scrolled off could not be wiped


def _logged(what: str, total: float, unit: str) -> Callable[..., None]:
    began = last = time.monotonic()
    done = 0.0

    def advance(n: float = 1, note: str = "") -> None:
        nonlocal done, last
        done += n
        now = time.monotonic()
        if now - last >= LOG_EVERY_SECONDS:
            last = now
            rate = done / (now - began)
            say(f"{what}: {done:.0f}/{total:.0f} {unit}, {rate:.4g} {unit}/s, {_left(done, total, now - began)} {note}".rstrip())

    return advance
