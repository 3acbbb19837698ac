"""Batches hold everything once, and the next one is made before the last is done with."""

import math
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavu import feed
from wavu.cores import cores
from wavu.feed import ahead, by_length, in_processes, shuffled


@given(st.lists(st.integers(1, 9), max_size=40), st.booleans())
def test_groups_hold_every_row_once_and_are_not_too_long(lengths: list[int], mixed: bool) -> None:
    groups = list(by_length(lengths, 20, mixed=mixed))
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    assert all(len(group) * max(lengths[index] for index in group) <= 20 for group in groups)
    assert mixed or all(len({lengths[index] for index in group}) == 1 for group in groups)


def test_a_row_too_long_for_any_group_has_one_of_its_own() -> None:
    assert list(by_length([30, 1], 20, mixed=True)) == [[1], [0]]


def test_the_next_item_is_made_while_one_is_used() -> None:
    made = [threading.Event() for _ in range(3)]

    def items() -> Iterator[int]:
        for number, event in enumerate(made):
            event.set()
            yield number

    for number in ahead(items()):
        assert number == 2 or made[number + 1].wait(timeout=10)
    assert not list(ahead([]))


def test_an_error_on_the_way_reaches_who_waits() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    found = ahead(items())
    assert next(found) == 1
    with pytest.raises(ValueError, match="broken"):
        next(found)


def test_shuffled_holds_all_and_differs_from_epoch_to_epoch() -> None:
    lengths = np.random.default_rng(0).uniform(1, 5, 50)
    chance = np.random.default_rng(1)
    first, second = (shuffled(lengths, 20.0, chance) for _ in range(2))
    assert sorted(sum(first, [])) == list(range(50)) == sorted(sum(second, [])) and first != second
    assert shuffled(lengths, 20.0, np.random.default_rng(1)) == first
    spread = [np.ptp(lengths[group]) for group in first]
    assert max(spread) < 2.0  # of the 4 there are


def test_all_cores_give_results_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "cores", lambda: 2)
    monkeypatch.setattr(feed, "ALONE_SECONDS", 0)
    assert list(in_processes(math.sqrt, (number**2 for number in range(50)))) == list(range(50))
    with pytest.raises(ValueError, match="math domain|nonnegative"):
        list(in_processes(math.sqrt, [4, -1, 9]))


def test_short_work_and_a_lone_core_start_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = os.getpid()
    assert cores() >= 1
    assert list(in_processes(lambda item: os.getpid(), [1, 2, 3])) == [ours] * 3 and not list(in_processes(math.sqrt, []))
    monkeypatch.setattr(feed, "cores", lambda: 1)
    monkeypatch.setattr(feed, "ALONE_SECONDS", 0)
    assert list(in_processes(lambda item: os.getpid(), [1, 2, 3])) == [ours] * 3


def _say_who_works(folder: Path) -> None:
    if multiprocessing.parent_process():
        (folder / str(os.getpid())).touch()
        time.sleep(60)


def test_processes_end_when_the_one_that_started_them_is_killed(tmp_path: Path) -> None:
    program = "from pathlib import Path\nfrom wavu import feed\nfrom tests.test_feed import _say_who_works\nfeed.cores = lambda: 2\nfeed.ALONE_SECONDS = 0\n"
    program += f"if __name__ == '__main__':\n    list(feed.in_processes(_say_who_works, [Path({str(tmp_path)!r})] * 4))\n"
    (tmp_path.parent / "start.py").write_text(program)
    root = Path(__file__).parent.parent
    started = subprocess.Popen([sys.executable, tmp_path.parent / "start.py"], env=os.environ | {"PYTHONPATH": str(root)})
    try:
        assert _within(60, lambda: len(list(tmp_path.iterdir())) == 2)
    finally:
        started.kill()
        started.wait()
    assert _within(10, lambda: not any(_lives(int(path.name)) for path in tmp_path.iterdir()))


def _within(seconds: float, true: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.05)
    return true()


def _lives(process: int) -> bool:
    """Whether a process is there that is more than an entry to be collected."""
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z" if Path("/proc").is_dir() else True
    except OSError:
        return False
