import threading
import time

import pytest
import torch

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
