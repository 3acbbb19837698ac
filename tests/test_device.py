import threading
import time

import numpy as np
import pytest
import torch
from torch import Tensor

from wavu import device
from wavu.device import find_device
from wavu.errors import WavuError


@pytest.mark.parametrize("there", [0, 2])
def test_a_gpu_is_taken_where_there_is_one_unless_somebody_says_otherwise(there: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: there)
    assert find_device() == find_device("auto") == torch.device("cuda" if there else "cpu")
    assert find_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    ("there", "name", "told"), [(0, "cuda", "finds no GPU"), (0, "cuda:1", "no GPU"), (2, "cuda:2", "finds 2 GPUs")]
)
def test_a_gpu_that_is_missing_is_told(there: int, name: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: there)
    with pytest.raises(WavuError, match=f"device={name}, but torch {told}|{told}"):
        find_device(name)


def test_items_share_the_cores_in_their_order_one_thread_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "cores", lambda: 3)
    before, seen = torch.get_num_threads(), set()

    def work(item: int) -> int:
        seen.add((threading.get_ident(), torch.get_num_threads()))
        time.sleep(0.01)
        return item * item

    assert device.on_all_cores(work, list(range(9))) == [item * item for item in range(9)]
    assert len(seen) == 3 and {n for _, n in seen} == {1} and torch.get_num_threads() == before
    assert device.on_all_cores(work, []) == []


def test_without_a_gpu_a_product_is_that_of_numpy_to_the_last_digit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    chance = np.random.default_rng(0)
    for kind in (np.float32, np.float64):
        left, right = chance.normal(size=(50, 30)).astype(kind), chance.normal(size=(20, 30)).astype(kind).T
        made = device.product(left, right)
        assert made.dtype == kind and np.array_equal(made, left @ right)


def rows(item: int) -> tuple[Tensor, ...]:
    return torch.full((item + 1, 3), float(item)), torch.arange(item + 1)


def added(wide: Tensor, count: Tensor) -> Tensor:
    return wide + count[:, None]


def test_results_come_in_the_order_of_the_items() -> None:
    cpu, items = torch.device("cpu"), [3, 0, 5, 2, 2, 9]
    plain = [added(*rows(item)) for item in items]
    assert all(map(torch.equal, device.through(cpu, rows, added, items), plain))
    assert list(device.through(cpu, rows, added, [])) == []


class Event:
    """One of CUDA, as a computer without it can have it."""

    waited = 0

    def record(self) -> None:
        self.recorded = True

    def synchronize(self) -> None:
        assert self.recorded
        Event.waited += 1


@pytest.mark.parametrize("items", [[3, 0, 5, 2], [7], []])
def test_what_a_gpu_makes_is_waited_for_once_the_next_is_on_its_way(items: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(Tensor, "pin_memory", lambda self: self)
    Event.waited, begun = 0, []

    def compute(*tensors: Tensor) -> Tensor:
        begun.append(Event.waited)
        return added(*tensors)

    made = list(device._overlapped(torch.device("cpu"), rows, compute, items))
    assert all(map(torch.equal, made, [added(*rows(item)) for item in items])) and len(made) == len(items)
    assert Event.waited == len(items) and begun == [max(0, place - 1) for place in range(len(items))]


def test_what_cannot_be_prepared_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(item: int) -> tuple[Tensor, ...]:
        raise WavuError("the first is of no use")

    monkeypatch.setattr(torch.cuda, "Event", Event)
    with pytest.raises(WavuError, match="the first is of no use"):
        list(device._overlapped(torch.device("cpu"), prepare, added, [1]))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_makes_what_a_cpu_makes() -> None:
    chance = np.random.default_rng(0)
    left, right = chance.normal(size=(5_000, 1_024)), chance.normal(size=(1_024, 128))
    assert np.allclose(device.product(left, right), left @ right, atol=1e-9)
    assert np.allclose(device.product(left.astype("f4"), right.astype("f4")), left @ right, atol=1e-3)
    items = [3, 0, 500, 2, 2, 90]
    made = device.through(torch.device("cuda"), rows, added, items)
    assert all(map(torch.equal, made, [added(*rows(item)) for item in items]))
