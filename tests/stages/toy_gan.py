"""gan_train on the toy language: small settings, and what it leaves."""

from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from tests.gan.toy import FRAMES, toy_speech
from wavu.command import composed
from wavu.ragged import Ragged
from wavu.selection import Judge
from wavu.settings.gan import GanTrain
from wavu.stages import gan
from wavu.store import read_json, read_table

SMALL = (
    "updates=40",
    "members=2",
    "batch_size=8",
    "discriminator.channels=8",
    "discriminator.head_start=4",
    "validation.every=10",
    "validation.utterances=15",
    "validation.hmm.utterances=2",
    "log_every=10",
    "replace_after=10",
    "device=cpu",
)
SEGMENTS, FRAMES_HEARD = ("recipe=wav2vec_u",), ("recipe=wav2vec_u2", "loss.auxiliary=0")
UTTERANCES = 150


def settings(folders: Path, name: str, *changes: str) -> GanTrain:
    folder = [f"audio={folders}/audio", f"text={folders}/text", f"out_dir={folders}/{name}"]
    return composed("gan_train", GanTrain, [*folder, *SMALL, *changes])


def train(folders: Path, name: str, *changes: str) -> dict:
    """Run the command; the counts it leaves."""
    gan.gan_train(settings(folders, name, *changes))
    return read_json(folders / name / "stage.json")["counts"]


def accuracy(folders: Path, name: str) -> float:
    """Share of the frames whose label is right."""
    labels, starts = (Ragged.read(folders / name, part) for part in ("labels", "starts"))
    truth = toy_speech(UTTERANCES, 0)[1]
    right = []
    for own, begins, plain in zip(labels, starts, truth, strict=True):
        right.append(np.repeat(own, np.diff(begins, append=FRAMES * len(plain))) == np.repeat(plain, FRAMES))
    return float(np.concatenate(right).mean())


def scores(folder: Path) -> list[tuple[int, int]]:
    """Update and member of every row of scores.tsv."""
    return [(int(row["update"]), int(row["member"])) for row in read_table(folder / "scores.tsv", ["update", "member", "score"])]


def points(folder: Path) -> dict[tuple[str, int], list[float]]:
    """All scalars of TensorBoard's files, less those a later file takes back, as TensorBoard does."""
    found: dict[tuple[str, int], list[float]] = {}
    for path in sorted((folder / "curves").iterdir(), key=lambda path: int(path.name.rsplit(".", 1)[1])):  # as they were begun
        for event in EventFileLoader(str(path)).Load():
            if event.session_log.status == event.session_log.START:
                found = {key: values for key, values in found.items() if key[1] < event.step}
            for value in event.summary.value:
                if value.HasField("tensor") and value.tensor.dtype == 1:  # a float, not a picture
                    found.setdefault((value.tag, event.step), []).extend(value.tensor.float_val)
    return found


def call_collapsed(monkeypatch: pytest.MonkeyPatch, *who: tuple[int, int]) -> None:
    """Let these members be judged collapsed at these updates, and nobody else."""
    at = set(who)
    monkeypatch.setattr(
        Judge, "suspect", lambda self, row, losses=None: "collapsed" if (row["member"], row["update"]) in at else None
    )
