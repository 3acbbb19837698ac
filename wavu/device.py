"""Which processor the work is done on: the one place that chooses."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from wavu.cores import cores
from wavu.errors import WavuError
from wavu.feed import ahead

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


def in_bfloat16(precision: str, device: torch.device) -> bool:
    """Whether products are made in bfloat16. precision: ``float32``, ``bfloat16`` of a GPU, or ``bfloat16_everywhere``."""
    return precision == "bfloat16_everywhere" or (precision == "bfloat16" and device.type == "cuda")


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


def product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The product of two matrices (n, k) and (k, m) of one type, in its full precision: on the GPU where there is one."""
    device = find_device()
    if device.type == "cpu":
        return left @ right
    return (torch.as_tensor(left, device=device) @ torch.as_tensor(right, device=device)).cpu().numpy()


def through(
    device: torch.device, prepare: Callable[[Item], tuple[Tensor, ...]], compute: Callable[..., Tensor], items: list[Item]
) -> Iterator[Tensor]:
    """What ``compute`` makes on the device of the tensors that ``prepare`` makes of each item, in their order, on the CPU."""
    if device.type == "cpu":
        yield from on_all_cores(lambda item: compute(*prepare(item)), items)
    else:
        yield from _overlapped(device, prepare, compute, items)


def _overlapped(
    device: torch.device, prepare: Callable[[Item], tuple[Tensor, ...]], compute: Callable[..., Tensor], items: list[Item]
) -> Iterator[Tensor]:
    """As :func:`through`, on a GPU that never waits: while it computes, the next item is prepared and the last result used.

    Copies are queued behind the work of the GPU, from and to pinned memory.
    """
    last: tuple[Tensor, torch.cuda.Event] | None = None
    for tensors in ahead(tuple(tensor.pin_memory() for tensor in prepare(item)) for item in items):
        result = compute(*(tensor.to(device, non_blocking=True) for tensor in tensors)).to("cpu", non_blocking=True)
        copied = torch.cuda.Event()
        copied.record()
        if last:
            yield _arrived(*last)
        last = result, copied
    if last:
        yield _arrived(*last)


def _arrived(result: Tensor, copied: torch.cuda.Event) -> Tensor:
    copied.synchronize()
    return result
