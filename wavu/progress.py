"""What a person sees while work goes on: one line with rate and time left, or a line now and then in a log file."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from wavu import units

console = Console(stderr=True, highlight=False)

LOG_EVERY_SECONDS = 15.0


def say(line: str) -> None:
    """One line to the reader (standard error, so that results on standard output stay clean)."""
    console.print(line, markup=False, soft_wrap=True)


@contextmanager
def track(what: str, total: float, unit: str) -> Iterator[Callable[..., None]]:
    """A progress line. The block gets ``advance(n, note="")``, to be called after each ``n`` units of work.

    On a terminal the line lives; in a log it is printed every 15 seconds.
    """
    if console.is_terminal:
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit), TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(), TextColumn("ETA"), TimeRemainingColumn(), TextColumn("{task.fields[note]}"),
        )  # fmt: skip
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task(what, total=total, rate="", note="")

            def advance(n: float = 1, note: str = "") -> None:
                progress.update(task, advance=n, note=note, rate=f"{progress.tasks[0].speed or 0:.4g} {unit}/s")

            yield advance
    else:
        began = last = time.monotonic()
        done = 0.0

        def advance(n: float = 1, note: str = "") -> None:
            nonlocal done, last
            done += n
            now = time.monotonic()
            if now - last >= LOG_EVERY_SECONDS:
                last = now
                rate = done / (now - began)
                left = units.duration_words(max(0.0, total - done) / rate) if rate else "unknown"
                say(f"{what}: {done:.0f}/{total:.0f} {unit}, {rate:.4g} {unit}/s, ETA {left} {note}".rstrip())

        yield advance
