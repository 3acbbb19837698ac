"""Which processor the work is done on, and by how many threads: the one place that chooses."""

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

from wavu.errors import WavuError

CGROUP = Path("/proc/self/cgroup")  # of Linux: which group this process is in
CGROUPS = Path("/sys/fs/cgroup")

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


def threads() -> int:
    """How many threads are of use: the cores that this process may run on, less where a cgroup or OMP_NUM_THREADS gives fewer."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    limits = [cores, _quota(), int(asked) if asked.isdigit() and int(asked) else math.inf]
    return max(1, math.floor(min(limits)))


def _quota() -> float:
    """Cores that cgroups (v2) leave to this process, those above its own included; without a limit, infinity."""
    try:
        own = next(line for line in CGROUP.read_text().splitlines() if line.startswith("0::")).removeprefix("0::/")
    except (OSError, StopIteration):
        return math.inf
    quotas = [math.inf]
    for group in (CGROUPS / own, *(CGROUPS / own).parents):
        try:
            quota, period = (group / "cpu.max").read_text().split()
        except (OSError, ValueError):
            continue
        if quota != "max":
            quotas.append(int(quota) / int(period))
    return min(quotas)


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
    with one_thread(), ThreadPoolExecutor(threads()) as pool:
        return list(pool.map(work, items))
