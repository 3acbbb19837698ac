import os
from pathlib import Path

import pytest

from wavu import cores as module


@pytest.mark.parametrize(
    ("allowed", "group", "quotas", "asked", "wanted"),
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
def test_cores_are_as_many_as_may_be_used(
    allowed: int,
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
    monkeypatch.setattr(module, "CGROUP", tmp_path / "own")
    monkeypatch.setattr(module, "CGROUPS", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(allowed)), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert module.cores() == wanted
