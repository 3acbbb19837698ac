"""Every executor does all shards, whichever process they are in, and tells what one of them says in one line."""

import importlib.util
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from wavu.errors import WavuError
from wavu.executor import spread
from wavu.settings.executor import Local, Ray, Slurm


@pytest.fixture(scope="module")
def here() -> Iterator[None]:
    """Other processes find this module as this one does, and one cluster of Ray is there for all tests."""
    ray = sys.modules.get("ray") or (importlib.util.find_spec("ray") and importlib.import_module("ray"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[1]))
        if ray:
            ray.init(num_cpus=2, log_to_driver=False, logging_level="error", include_dashboard=False)
        yield
        if ray:
            ray.shutdown()


def executor(kind: str) -> dict:
    """Settings of one, as small as can be; a test is skipped where what it needs is not installed."""
    if kind == "ray":
        pytest.importorskip("ray")
        return Ray(kind="ray", address=None).plain()
    if kind == "slurm":
        pytest.importorskip("submitit")
        return Slurm(kind="slurm", cluster="local", jobs=2, partition=None, minutes=5).plain()
    return Local(kind="local").plain()


def write(folder: Path, shard: int) -> None:
    (folder / f"{shard}.done").write_text(str(os.getpid()))


def refuse(folder: Path, shard: int) -> None:
    if shard == 1:
        raise WavuError("the second shard is of no use")
    time.sleep(0.05)
    write(folder, shard)


KINDS = ["local", "ray", "slurm"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_shard_is_done_once_and_told(kind: str, tmp_path: Path, here: None) -> None:
    settings = executor(kind)
    assert sorted(spread(write, tmp_path, [3, 1, 5], **settings)) == [1, 3, 5]
    by = {int(path.read_text()) for path in tmp_path.glob("*.done")}
    assert len(list(tmp_path.glob("*.done"))) == 3 and (by == {os.getpid()}) == (kind == "local")
    assert list(spread(write, tmp_path, [], **settings)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_shard_says_is_told_in_one_line(kind: str, tmp_path: Path, here: None) -> None:
    with pytest.raises(WavuError, match="^the second shard is of no use$"):
        list(spread(refuse, tmp_path, [0, 1, 2], **executor(kind)))


def test_where_one_fails_no_other_is_begun(tmp_path: Path) -> None:
    with pytest.raises(WavuError):
        list(spread(refuse, tmp_path, [1, *range(2, 40)], **executor("local")))
    assert len(list(tmp_path.glob("*.done"))) < 5


def die(folder: Path, shard: int) -> None:
    os._exit(3)


def die_once(folder: Path, shard: int) -> None:
    if shard == 2 and not (folder / "died").exists():
        (folder / "died").touch()
        os._exit(3)
    write(folder, shard)


def test_another_worker_of_ray_does_the_shard_of_one_that_died(tmp_path: Path, here: None) -> None:
    assert sorted(spread(die_once, tmp_path, [1, 2, 3], **executor("ray"))) == [1, 2, 3]
    assert (tmp_path / "died").exists() and (tmp_path / "2.done").exists()


@pytest.mark.parametrize("kind", ["ray", pytest.param("slurm", marks=pytest.mark.slow)])
def test_workers_that_die_again_and_again_are_told(kind: str, tmp_path: Path, here: None) -> None:
    with pytest.raises(WavuError, match="run the same command again, it goes on where it stopped") as told:
        list(spread(die, tmp_path, [0], **executor(kind) | ({"retries": 1} if kind == "ray" else {})))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("kind", "name"), [("ray", "ray"), ("slurm", "submitit")])
def test_what_is_not_installed_is_told(kind: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = executor(kind)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(WavuError, match=r"not installed; pip install 'wavu\[cluster\]'"):
        list(spread(write, tmp_path, [0], **settings))


def test_there_is_no_slurm_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WavuError, match="executor=slurm: "):
        list(spread(write, tmp_path, [0], **executor("slurm") | {"cluster": "slurm"}))


@pytest.mark.parametrize(("ends", "warned"), [(0, False), (1, True)])
def test_a_slurm_without_accounts_is_warned_of(
    ends: int, warned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "sacct"
    program.write_text(f"#!/bin/sh\nexit {ends}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WavuError, match="executor=slurm: "):
        list(spread(write, tmp_path, [0], **executor("slurm") | {"cluster": "slurm"}))
    assert ("keeps no accounts" in capsys.readouterr().err) == warned


def test_there_is_no_such_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, ray = executor("ray"), importlib.import_module("ray")

    def init(**_: object) -> None:
        raise ConnectionError("Could not find any running Ray instance.\nPlease specify the one to connect to.")

    for name, instead in (("is_initialized", lambda: False), ("init", init), ("shutdown", lambda: None)):
        monkeypatch.setattr(ray, name, instead)
    with pytest.raises(WavuError, match="^Ray: Could not find any running Ray instance. Please [^\n]*; run the same"):
        list(spread(write, tmp_path, [0], **settings | {"address": "auto"}))
