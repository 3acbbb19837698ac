"""What a decipherment of the toy language finds, and how it is taken over."""

from pathlib import Path

import numpy as np
import pytest

from tests.gan.toy import FRAMES, PHONES, UNITS, spoil, toy_speech
from tests.stages.toy_gan import UTTERANCES
from wavu.errors import WavuError
from wavu.prepared import Speech, Text
from wavu.ragged import Ragged
from wavu.stages.decipherment import GanTask, silent_ends, take_over, warm_start, write_decipherment
from wavu.store import read_tensors, write_tensors

SILENCE = {"probability": 0.25, "before": 1.0, "after": 1.0}


def truth() -> Ragged:
    """The phone of each frame."""
    labels = toy_speech(UTTERANCES, 0)[1]
    return Ragged(np.repeat(labels.flat, FRAMES), labels.offsets * FRAMES)


def written(folder: Path, labels: Ragged, name: str = "labels") -> Path:
    labels.write(folder, name)
    write_tensors(folder / "hmm.safetensors", {"stay": np.zeros(1)}, {"silence": SILENCE})
    return folder


@pytest.fixture
def prepared(made: Path) -> tuple[Speech, Text]:
    return Speech.read(made / "audio"), Text.read(made / "text")


def test_counts_alone_tell_what_the_units_say(prepared: tuple[Speech, Text], tmp_path: Path) -> None:
    speech, text = prepared
    own = 2 * truth().flat.astype(int) + np.arange(len(truth().flat)) % 2  # no unit is drawn at random
    speech = Speech(
        speech.ids, speech.frames, Ragged(own.astype(np.int16), truth().offsets), speech.segments, speech.starts, UNITS
    )
    write_decipherment(
        speech, text, tmp_path, silence_probability=[0.25], hours=1.0, seed=0,
        matching={
            "lags": [2, 4, 6, 8, 10, 12, 16], "positions": 12, "longest_silence": 8, "regularity": 15.0, "restarts": 4, "steps": 200,
            "learning_rate": 0.1,
        },
        search={
            "frames_per_phone": [4.8], "frames_per_silence": 4.8, "rounds": 2, "order": 3, "states": 2, "iterations": 3,
            "smoothing": 1.0,
        },
    )  # fmt: skip
    assert (Ragged.read(tmp_path, "labels").flat == truth().flat).mean() > 0.9
    assert len(Ragged.read(tmp_path, "matched").flat) == len(truth().flat)
    tensors, about = read_tensors(tmp_path / "hmm.safetensors")
    assert about["phones"] == PHONES and about["silence"]["before"] > 0.8 and tensors["emission"].shape == (len(PHONES), 2, UNITS)


def test_segments_become_those_that_were_found(prepared: tuple[Speech, Text], tmp_path: Path) -> None:
    folder, common = written(tmp_path, truth()), {"kind": "hmm", "hears": "segments", "stride": 1, "phones_per_second": None}
    task = warm_start(folder, *prepared, repool=True, **common)
    starts = truth().run_starts()
    assert len(task.labels.flat) == len(task.inputs.flat) == len(task.starts.flat) == starts.sum() and task.cut == "hmm"
    assert np.array_equal(task.labels.flat, truth().flat[starts])
    spoken = (truth().flat[starts] != len(PHONES) - 1).sum()
    assert task.phones_per_second == pytest.approx(spoken / (len(truth().flat) * 0.02))
    as_cut = warm_start(folder, *prepared, repool=False, **common)
    assert np.array_equal(as_cut.labels.flat, toy_speech(UTTERANCES, 0)[1].flat) and as_cut.cut is None
    assert as_cut.inputs is prepared[0].segments


def test_boundaries_alone_name_nothing(prepared: tuple[Speech, Text], tmp_path: Path) -> None:
    folder = written(tmp_path, truth())
    task = warm_start(folder, *prepared, kind="boundaries", hears="segments", stride=1, repool=True, phones_per_second=7.0)
    assert task.labels is None and task.cut == "hmm" and task.silence == SILENCE and task.phones_per_second == 7.0


def test_generators_of_frames_get_a_label_for_each_output(prepared: tuple[Speech, Text], tmp_path: Path) -> None:
    folder = written(written(tmp_path, spoil(truth(), 1.0, 0)), truth(), "matched")
    task = warm_start(folder, *prepared, kind="matching", hears="frames", stride=3, repool=True, phones_per_second=None)
    assert [row.tolist() for row in task.labels] == [row[::3].tolist() for row in truth()]
    assert np.array_equal(task.starts.offsets, task.labels.offsets) and task.starts[0][:3].tolist() == [0, 3, 6]


def test_what_self_training_found_stands_in_for_a_decipherment(tmp_path: Path) -> None:
    written(tmp_path / "hmm", truth())
    with pytest.raises(WavuError, match="labels.npy in .*hmm is not of this speech"):
        take_over(tmp_path / "hmm", PHONES, truth().offsets[:-1], tmp_path / "warm_start")
    take_over(tmp_path / "hmm", PHONES, truth().offsets, tmp_path / "warm_start")
    assert np.array_equal(Ragged.read(tmp_path / "warm_start", "labels").flat, truth().flat)
    tensors, about = read_tensors(tmp_path / "warm_start" / "hmm.safetensors")
    assert list(tensors) == ["stay"] and about["silence"] == {"probability": 0.25, **silent_ends(truth(), len(PHONES) - 1)}


def test_how_often_utterances_begin_and_end_with_silence() -> None:
    labels = Ragged.of([[5, 1, 5], [], [5, 2], [5], [1, 2]], np.int16)
    assert silent_ends(labels, 5) == {"before": 0.75, "after": 0.5}


def test_a_task_without_a_warm_start_hears_what_was_prepared(prepared: tuple[Speech, Text]) -> None:
    speech, _ = prepared
    assert GanTask(speech, "segments", 1, None, SILENCE, None).starts is speech.starts
    assert GanTask(speech, "frames", 3, None, SILENCE, None).inputs is speech.frames
