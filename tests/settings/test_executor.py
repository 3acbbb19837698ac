"""Every choice of executor is one that does the work, with settings that make sense."""

import pytest

from wavu.command import composed
from wavu.errors import WavuError
from wavu.executor import EXECUTORS
from wavu.settings.audio import PrepareAudio

GIVEN = ["audio_dir=recordings", "out_dir=out"]


@pytest.mark.parametrize("kind", sorted(EXECUTORS))
def test_an_executor_is_chosen_by_its_name_and_changes_no_result(kind: str) -> None:
    chosen = composed("prepare_audio", PrepareAudio, [*GIVEN, f"executor={kind}"])
    assert chosen.executor.kind == kind
    assert chosen.plain() == composed("prepare_audio", PrepareAudio, GIVEN).plain()


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("local", "workers=0"), ("local", "workers=1.5"), ("ray", "cpus=0"), ("ray", "gpus=-1"), ("ray", "retries=-1"),
        ("slurm", "jobs=0"), ("slurm", "minutes=0"), ("slurm", "memory_gb=nan"), ("slurm", "cluster=elsewhere"), ("local", "jobs=3"),
    ],
)  # fmt: skip
def test_what_no_executor_can_do_is_refused(kind: str, change: str) -> None:
    with pytest.raises(WavuError, match=rf"executor\.{change.partition('=')[0]}"):
        composed("prepare_audio", PrepareAudio, [*GIVEN, f"executor={kind}", f"executor.{change}"])
