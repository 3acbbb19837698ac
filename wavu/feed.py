"""What keeps processors fed: rows of like length in one batch, the next batch made while one is worked on, work for every core."""

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from wavu.cores import cores

T = TypeVar("T")
S = TypeVar("S")

ALONE_SECONDS = 5.0  # a process takes some of them to begin
LENGTH_NOISE = 0.1  # share by which lengths are blurred before they are sorted, so that batches differ from epoch to epoch


def by_length(lengths: Sequence[float], limit: float, *, mixed: bool) -> Iterator[list[int]]:
    """Indices grouped by similar length, each group at most ``limit`` after padding; of equal length unless ``mixed``.

    >>> list(by_length([3, 1, 9, 2], 6, mixed=True))
    [[1, 3], [0], [2]]
    """
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and ((len(batch) + 1) * lengths[index] > limit or (not mixed and lengths[index] != lengths[batch[0]])):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def shuffled(lengths: np.ndarray, limit: float, chance: np.random.Generator) -> list[list[int]]:
    """All indices in batches of similar length, at most about ``limit`` after padding, in an order drawn anew."""
    blurred = lengths * chance.uniform(1 - LENGTH_NOISE, 1 + LENGTH_NOISE, len(lengths))
    groups = list(by_length(blurred.tolist(), limit, mixed=True))
    return [groups[index] for index in chance.permutation(len(groups))]


def ahead(items: Iterable[T]) -> Iterator[T]:
    """The items, none of them None; each is made, in another thread, while the one before is used."""
    items = iter(items)
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(next, items, None)
        while (item := waiting.result()) is not None:
            waiting = thread.submit(next, items, None)
            yield item


def in_processes(function: Callable[[S], T], items: Iterable[S]) -> Iterator[T]:
    """What the function makes of each item, in their order: by this process at first, of long work by a process for each core.

    function: of a module, as the processes import it. Few items more than there are cores are on their way at once.
    """
    items, began = iter(items), time.monotonic()
    for item in items:
        yield function(item)
        if cores() > 1 and time.monotonic() - began > ALONE_SECONDS:
            break
    pool = ProcessPoolExecutor(cores(), multiprocessing.get_context("spawn"), initializer=_obey_parent)
    waiting: deque[Future[T]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2 * cores():
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _obey_parent() -> None:
    """Leave an interrupt to the process that started this one, and end with it: one that is killed cannot end others."""

    def wait() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=wait, daemon=True).start()
