import os
import threading
import time
from pathlib import Path

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


@pytest.mark.parametrize(
    ("cores", "group", "quotas", "asked", "wanted"),
    [
        (8, "/a/b", {}, "", 8),
        (8, "/a/b", {"a": "300000 100000", "a/b": "max 100000"}, "", 3),
        (8, "/a/b", {"a": "300000 100000", "a/b": "150000 100000"}, "", 1),
        (8, "/", {".": "50000 100000"}, "", 1),
        (2, "/a", {"a": "900000 100000"}, "", 2),
        (8, None, {}, "3", 3),
        (8, None, {}, "many", 8),
    ],
)
def test_threads_are_as_many_as_may_run(
    cores: int,
    group: str | None,
    quotas: dict[str, str],
    asked: str,
    wanted: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, content in quotas.items():
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / name / "cpu.max").write_text(f"{content}\n")
    (tmp_path / "own").write_text(f"12:cpu:/old\n0::{group}\n" if group else "12:cpu:/old\n")
    monkeypatch.setattr(device, "CGROUP", tmp_path / "own")
    monkeypatch.setattr(device, "CGROUPS", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert device.threads() == wanted


def test_items_share_the_cores_in_their_order_one_thread_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "threads", lambda: 3)
    before, seen = torch.get_num_threads(), set()

    def work(item: int) -> int:
        seen.add((threading.get_ident(), torch.get_num_threads()))
        time.sleep(0.01)
        return item * item

    assert device.on_all_cores(work, list(range(9))) == [item * item for item in range(9)]
    assert len(seen) == 3 and {n for _, n in seen} == {1} and torch.get_num_threads() == before
    assert device.on_all_cores(work, []) == []
