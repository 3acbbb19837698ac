"""What keeps a processor fed: rows of like length in one batch, and the next batch made while one is worked on."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

T = TypeVar("T")

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
