"""Where the shards of a folder are worked on: threads of this process, tasks of a Ray cluster, jobs of Slurm.

The work on a shard is a function of its folder and its number, which any process can call that sees the folder. An executor calls it
for every number, and tells as each is done, in any order.
"""

import logging
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from wavu.errors import WavuError
from wavu.progress import say

Work = Callable[[Path, int], None]

POLL_SECONDS = 1.0  # between looks at the jobs of Slurm, which itself is asked less often


def spread(work: Work, folder: Path, todo: Sequence[int], *, kind: str, **settings: object) -> Iterator[int]:
    """Do the work on all shards ``todo``; kind and settings: of a ``configs/executor/*.yaml``.

    Raises:
        WavuError: what the work says, or what the executor needs is missing.
    """
    return EXECUTORS[kind](work, folder.absolute(), todo, **settings) if todo else iter(())


def local(work: Work, folder: Path, todo: Iterable[int], *, workers: int) -> Iterator[int]:
    """In this process, ``workers`` shards at a time."""
    with ThreadPoolExecutor(workers) as pool:
        shards = {pool.submit(work, folder, shard): shard for shard in todo}
        try:
            for done in as_completed(shards):
                done.result()
                yield shards[done]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # where one has failed, no other is begun


def ray(
    work: Work, folder: Path, todo: Iterable[int], *, address: str | None, cpus: float, gpus: float, retries: int
) -> Iterator[int]:
    """As tasks of a Ray cluster; where a worker or its machine dies, another does its shard.

    address: None begins a cluster on this machine. cpus, gpus: of a task. retries: of a shard whose worker died.
    """
    try:
        import ray as cluster
    except ImportError as error:
        raise WavuError("executor=ray needs Ray, which is not installed; pip install 'wavu[cluster]'") from error
    own = not cluster.is_initialized()
    try:
        if own:
            cluster.init(address=address, log_to_driver=False, logging_level="error")
        task = cluster.remote(num_cpus=cpus, num_gpus=gpus, max_retries=retries)(_told)
        waiting = {task.remote(work, folder, [shard]): shard for shard in todo}
        while waiting:
            for done in cluster.wait(list(waiting))[0]:
                _raise(cluster.get(done))
                yield waiting.pop(done)
    except (cluster.exceptions.RayError, ConnectionError) as error:
        raise WavuError(f"Ray: {_line(error)}; run the same command again, it goes on where it stopped") from error
    finally:
        if own:
            cluster.shutdown()


def slurm(
    work: Work,
    folder: Path,
    todo: Sequence[int],
    *,
    cluster: str,
    jobs: int,
    partition: str | None,
    minutes: int,
    cpus: int,
    gpus: int,
    memory_gb: int,
) -> Iterator[int]:
    """As an array of at most so many jobs, each with its share of the shards; what they print is kept in ``jobs/`` until all is done.

    cluster: ``slurm``, or ``local`` for processes of this machine. minutes, cpus, gpus, memory_gb: of a job.
    """
    try:
        import submitit
    except ImportError as error:
        raise WavuError("executor=slurm needs submitit, which is not installed; pip install 'wavu[cluster]'") from error
    if cluster == "slurm" and not _keeps_accounts():
        logging.getLogger("submitit").setLevel(logging.ERROR)  # it warns at every look
        say(
            "warning: this Slurm keeps no accounts (sacct), without which a job that is killed is not noticed; should the progress stop, interrupt and run the same command again"
        )
    shares = [todo[job::jobs] for job in range(min(jobs, len(todo)))]
    try:
        executor = submitit.AutoExecutor(folder / "jobs", cluster=cluster)
        executor.update_parameters(
            name="wavu", timeout_min=minutes, cpus_per_task=cpus, gpus_per_node=gpus, mem_gb=memory_gb,
            **{"slurm_partition": partition} if partition else {},
        )  # fmt: skip
        shards = dict(zip(executor.map_array(_told, [work] * len(shares), [folder] * len(shares), shares), shares, strict=True))
        for done in submitit.helpers.as_completed(list(shards), poll_frequency=POLL_SECONDS):
            _raise(done.result())
            yield from shards[done]
    except (RuntimeError, OSError, submitit.core.utils.FailedSubmissionError, submitit.core.utils.UncompletedJobError) as error:
        raise WavuError(
            f"executor=slurm: {_line(error)}; see {folder / 'jobs'}, then run the same command again, it goes on where it stopped"
        ) from error


def _keeps_accounts() -> bool:
    """Whether Slurm can tell of a job that is over how it ended."""
    return bool(shutil.which("sacct")) and not subprocess.run(["sacct", "--noheader"], capture_output=True).returncode


EXECUTORS: dict[str, Callable[..., Iterator[int]]] = {"local": local, "ray": ray, "slurm": slurm}


def _told(work: Work, folder: Path, shards: Iterable[int]) -> str | None:
    """Do the work on shards; what its WavuError says, as no exception of its own kind comes back from another machine."""
    try:
        for shard in shards:
            work(folder, shard)
    except WavuError as error:
        return str(error)
    return None


def _raise(told: str | None) -> None:
    if told:
        raise WavuError(told)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
