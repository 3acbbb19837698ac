"""Settings of where the shards of a folder are worked on, as ``configs/executor/*.yaml`` choose it."""

from typing import Annotated, Literal

from pydantic import Field

from wavu.settings.base import Count, NotNegative, Positive, Settings, Whole, Word


class Local(Settings):
    """Threads of this process."""

    kind: Literal["local"]
    workers: Count = 2
    """shards at a time: one is encoded while another is read"""


class Ray(Settings):
    """Tasks of a Ray cluster."""

    kind: Literal["ray"]
    address: Word | None
    cpus: Positive = 1.0
    """of a task, which does one shard"""
    gpus: NotNegative = 0.0
    """of a task; 0.5: two share a GPU"""
    retries: Whole = 3
    """of a shard whose worker died"""


class Slurm(Settings):
    """Jobs of Slurm, through submitit."""

    kind: Literal["slurm"]
    cluster: Literal["slurm", "local"] = "slurm"
    """local: processes of this machine, to try it without Slurm"""
    jobs: Count
    partition: Word | None
    minutes: Count = 240
    """of a job"""
    cpus: Count = 4
    """of a job"""
    gpus: Whole = 0
    """of a job"""
    memory_gb: Count = 8
    """of a job"""


Executor = Annotated[Local | Ray | Slurm, Field(discriminator="kind")]
