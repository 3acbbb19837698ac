"""An exam without labels: better labels get better marks, and what is held out is not trained on."""

from pathlib import Path

import numpy as np
import pytest

from tests.gan.crowd import crowd, different
from tests.gan.toy import PHONES, spoil, toy_speech
from tests.stages.toy_gan import UTTERANCES
from wavu.prepared import Speech, Text
from wavu.ragged import Ragged
from wavu.stages.decipherment import GanTask
from wavu.stages.exam import Exam

SILENCE = {"probability": 0.25, "before": 1.0, "after": 1.0}
HMM = {"utterances": 20, "order": 2, "n_states": 2, "smoothing": 10.0}


def examined(made: Path, **changes: object) -> tuple[Exam, np.ndarray]:
    speech, text = Speech.read(made / "audio"), Text.read(made / "text")
    settings = {
        "utterances": 30,
        "sentences": 200,
        "order": 3,
        "hmm": HMM,
        "selection": {"jsd1": 1.0},
        "per_batch": False,
        "seed": 0,
    }
    return Exam.of(GanTask(speech, "segments", 1, None, SILENCE, None), text, made / "text" / "phones.arpa", **settings | changes)


def test_a_large_corpus_keeps_utterances_to_be_judged_by(made: Path) -> None:
    for wanted, judged, trained in ((5, 5, UTTERANCES - 5), (50, UTTERANCES, UTTERANCES)):
        exam, rows = examined(made, utterances=wanted)
        assert len(exam.inputs) == len(exam.units) == judged and len(rows) == trained
        assert exam.theirs is None and exam.silence == len(PHONES) - 1


@pytest.mark.parametrize("per_batch", [False, True])
def test_better_labels_get_better_marks(made: Path, per_batch: bool) -> None:
    exam, _ = examined(made, utterances=50, per_batch=per_batch)
    truth = toy_speech(UTTERANCES, 0)[1]
    marks = [exam._scores(spoil(truth, share, 1), 0.5) for share in (0.0, 0.2, 0.6)]
    assert marks[0]["log_likelihood"] > marks[1]["log_likelihood"] > marks[2]["log_likelihood"]
    assert marks[0]["score"] < marks[1]["score"] < marks[2]["score"] and {mark["agreement"] for mark in marks} == {0.5}
    assert all(("weighted_perplexity_per_batch" in mark) == per_batch for mark in marks)


def test_every_member_has_a_row_and_its_labels(made: Path) -> None:
    exam, _ = examined(made)
    rows, labels = exam.take(crowd(different(3)))
    assert [(row["update"], row["member"]) for row in rows] == [(0, 0), (0, 1), (0, 2)]
    assert all(isinstance(each, Ragged) and np.array_equal(each.offsets, exam.inputs.offsets) for each in labels)
    assert all(row.keys() >= {"score", "agreement", "log_likelihood", "suspected_failed"} for row in rows)
