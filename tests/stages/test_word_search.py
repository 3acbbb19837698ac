"""The search of words finds them, and its weights are chosen without labels."""

from pathlib import Path

import numpy as np
import pytest

from tests.gan.toy import PHONES
from tests.stages.toy_hmm import GAUSSIANS, WORDS, frame_labels, toy_task
from wavu.acoustic.model import AcousticModel
from wavu.decipher.hmm import cut
from wavu.ragged import Ragged
from wavu.stages.evidence import gaussians_of
from wavu.stages.hmm_task import HmmTask
from wavu.stages.word_search import hmm_topology, through_words, tune_phones, tune_words, tuning_judge, word_decoder


@pytest.fixture
def learned(made: Path) -> tuple[HmmTask, AcousticModel]:
    task = toy_task(made)
    return task, gaussians_of(cut(frame_labels(), 2), task, GAUSSIANS)


def test_words_are_found_and_nothing_else(learned: tuple[HmmTask, AcousticModel], tmp_path: Path) -> None:
    task, model = learned
    states = through_words(word_decoder(task, hmm_topology(model, task), WORDS, tmp_path), model, task)
    assert np.array_equal(states.offsets, task.speech.frames.offsets)
    assert (states.flat // 2 == frame_labels().flat).mean() > 0.97


def test_nearer_than_labels_with_errors_can_tell_is_all_the_same(learned: tuple[HmmTask, AcousticModel]) -> None:
    task, _ = learned
    said, near, far = (task.said(cut(frame_labels(share), 2)) for share in (0.0, 0.05, 0.9))
    judged = [tuning_judge(before, task, 0.5)(said) for before in (said, near, far)]
    assert judged[0] == judged[1] < judged[2]
    assert tuning_judge(near, task, 0.001)(said) < judged[0]


def test_the_weights_that_ruin_everything_are_not_chosen(learned: tuple[HmmTask, AcousticModel], tmp_path: Path) -> None:
    task, model = learned
    before, some = cut(frame_labels(), 2), {"utterances": 20, "least_disagreement": 0.1}
    found = tune_phones(
        model, task.speech.frames, before, task, **some, grid={"grammar_weight": [1.0], "phone_bonus": [0.0, -200.0]}
    )
    assert found == {"grammar_weight": 1.0, "phone_bonus": 0.0}
    decoder = word_decoder(task, hmm_topology(model, task), WORDS, tmp_path)
    found = tune_words(decoder, model, before, task, **some, grid={"acoustic_scale": [1e-5, 0.1]})
    assert found["acoustic_scale"] == 0.1


def test_an_utterance_without_words_is_silence(learned: tuple[HmmTask, AcousticModel], tmp_path: Path) -> None:
    task, model = learned

    class Deaf:
        def columns(self, scores: np.ndarray) -> np.ndarray:
            return np.zeros(0, int)

    states = through_words(Deaf(), model, task)
    assert isinstance(states, Ragged) and (states.flat == (len(PHONES) - 1) * 2).all()
