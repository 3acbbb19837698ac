"""Which processor the work is done on: the one place that chooses."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

from wavu.cores import cores
from wavu.errors import WavuError

Item = TypeVar("Item")
Made = TypeVar("Made")


def find_device(name: str = "auto") -> torch.device:
    """The device of that name; auto: cuda when there is one, else cpu.

    Raises:
        WavuError: there is no such GPU.
    """
    there = torch.cuda.device_count()
    if name == "auto":
        name = "cuda" if there else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= there:
        raise WavuError(
            f"device={name}, but torch finds {f'{there} GPUs' if there else 'no GPU'}; give device=auto or device=cpu"
        )
    return device


@contextmanager
def one_thread() -> Iterator[None]:
    """Within the block a product of matrices is the work of one thread: its last digits do not hang on the number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


def on_all_cores(work: Callable[[Item], Made], items: list[Item]) -> list[Made]:
    """What ``work`` makes of each item. Several items share the cores, one thread each: an utterance is too short to be shared."""
    if len(items) < 2:
        return [work(item) for item in items]
    with one_thread(), ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(work, items))
