"""The same bytes come out wherever shards are worked on, whoever dies meanwhile."""

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.stages.spoken import SMALL, files, prepared, speak
from wavu.executor import spread
from wavu.stages import audio
from wavu.stages.shard import finish_shard

ROOT = Path(__file__).resolve().parents[2]
SHARDS = ("shard_minutes=0.05", "sample.hours=0.002", "targets.clusters=8", *SMALL)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for index in range(12):
        speak(folder / f"{index}.wav", 1.0 + 0.1 * index, seed=index)
    return folder


@pytest.fixture
def run(typed: Callable[..., tuple[int, str]], corpus: Path) -> Callable[..., tuple[int, str]]:
    return partial(prepared, typed, f"audio_dir={corpus}", *SHARDS)


@pytest.fixture
def once(run, tmp_path: Path) -> dict[str, bytes]:
    """By one worker in this process."""
    assert run(f"out_dir={tmp_path / 'once'}", "executor.workers=1")[0] == 0
    return files(tmp_path / "once")


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_workers_and_threads_leaves_the_same_bytes(
    workers: int, threads: int, once: dict[str, bytes], tmp_path: Path, run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(threads)), raising=False)
    assert run(f"out_dir={tmp_path / 'out'}", f"executor.workers={workers}")[0] == 0
    assert files(tmp_path / "out") == once and len(list((tmp_path / "out" / "shards").iterdir())) == 7


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ray", "slurm"])
def test_a_cluster_leaves_the_same_bytes(
    kind: str, once: dict[str, bytes], tmp_path: Path, run, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip({"ray": "ray", "slurm": "submitit"}[kind])
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    more = ("executor.cluster=local", "executor.jobs=2") if kind == "slurm" else ()
    code, told = run(f"out_dir={tmp_path / 'out'}", f"executor={kind}", *more)
    assert code == 0, told
    assert files(tmp_path / "out") == once
    assert "is complete" in run(f"out_dir={tmp_path / 'out'}")[1]


@pytest.fixture
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple]:
    """A cluster of Ray, of which the second node may die."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    node = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
    yield cluster, node
    ray.shutdown()
    cluster.shutdown()


def doomed(folder: Path, shard: int) -> None:
    """Where a file says that this node is to die, the shard is begun, and waits for that."""
    import ray

    begun = folder.parent / ray.get_runtime_context().get_node_id()
    if begun.exists():
        begun.write_text(str(shard))
        time.sleep(600)
    finish_shard(folder, shard)


@pytest.mark.slow
def test_a_node_of_ray_that_is_killed_in_the_middle_leaves_no_trace(
    once: dict[str, bytes], tmp_path: Path, run, two_nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, node = two_nodes
    begun = tmp_path / node.node_id
    begun.touch()

    def kill() -> None:
        while not begun.read_text():
            time.sleep(0.05)
        cluster.remove_node(node, allow_graceful=False)

    monkeypatch.setattr(
        audio, "spread", lambda work, *rest, **more: spread({finish_shard: doomed}.get(work, work), *rest, **more)
    )
    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    code, told = run(f"out_dir={tmp_path / 'out'}", "executor=ray")
    assert code == 0, told
    killer.join(10)
    assert node not in cluster.list_all_nodes() and (tmp_path / "out" / "shards" / f"{int(begun.read_text()):05d}").exists()
    assert files(tmp_path / "out") == once
