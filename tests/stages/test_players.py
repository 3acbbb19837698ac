"""Who plays before the first update: at random, or as a warm start has it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.gan.crowd import ADAM, CPU, different
from tests.gan.toy import PHONES, toy_speech, toy_text, write_audio_folder
from wavu.gan.label import label
from wavu.gan.population import Population
from wavu.prepared import Speech
from wavu.ragged import Ragged
from wavu.stages.decipherment import GanTask
from wavu.stages.players import batches_of, population_of

SILENCE = {"probability": 0.25, "before": 1.0, "after": 1.0}
REGRESSION = {"ridge": 1e-4, "iterations": 60, "examples": 10_000, "confidence": 0.9}
SHAPES = {
    "segments": {"kernel": 4, "dropout": 0.1},
    "frames": {"kernel": 9, "dropout": 0.1, "stride": 3, "gain": 5.0},
}


@pytest.fixture
def speech(tmp_path: Path) -> Speech:
    write_audio_folder(tmp_path / "audio", 60, 0, targets=5)
    return Speech.read(tmp_path / "audio")


def population(task: GanTask, **changes: object) -> Population:
    settings = {"extra_output": False, "padding_counts": False, "joint_clipping": True, "seed": 0, "device": CPU}
    discriminator = {"channels": 8, "kernel": 6, "learning_rate": 1e-3, "weight_decay": 0.0, "head_start": 7}
    return population_of(
        task, different(3), phones=len(PHONES), generator=SHAPES[task.hears], discriminator=discriminator, adam=ADAM,
        regression=REGRESSION, **settings | changes,
    )  # fmt: skip


@pytest.mark.parametrize("hears", ["segments", "frames"])
def test_without_a_warm_start_everybody_begins_with_weights_of_their_own(speech: Speech, hears: str) -> None:
    found = population(GanTask(speech, hears, 3 if hears == "frames" else 1, None, SILENCE, None))
    kernel = found.generator.network.kernel
    assert kernel.shape[:2] == (3, len(PHONES)) and not torch.equal(kernel[0], kernel[1])
    assert found.head_start == 7 and found.rules.joint_clipping and not found.rules.padding_counts
    if hears == "frames":
        assert found.generator.network.head.shape[1] == 5  # the targets it guesses among


def test_with_one_everybody_says_what_it_says(speech: Speech) -> None:
    truth = toy_speech(60, 0)[1]
    found = population(GanTask(speech, "segments", 1, Ragged(truth.flat.astype(np.int16), truth.offsets), SILENCE, None))
    kernel = found.generator.network.kernel
    assert torch.equal(kernel[0], kernel[1]) and torch.equal(kernel[0], kernel[2])
    first, *_ = label(found.generator.network, speech.segments, silence=len(PHONES) - 1, batch_size=16)
    assert (first.flat == truth.flat).mean() > 0.95


def test_only_what_is_left_to_train_on_is_drawn(speech: Speech) -> None:
    task = GanTask(speech, "segments", 1, None, SILENCE, None)
    settings = {"repeated_phones": False, "buckets": 2, "batch_size": 4, "seed": 0, "device": CPU}
    drawn = batches_of(task, toy_text(50, 0), np.array([3]), auxiliary=False, special_phones=0, **settings).draw([0, 1], 1)
    assert drawn.targets is None and set(drawn.lengths.flatten().tolist()) == {len(speech.segments[3])}
    assert np.allclose(drawn.inputs[0, 0].float().numpy(), speech.segments[3])
    frames = GanTask(speech, "frames", 3, None, SILENCE, None)
    guessed = batches_of(frames, toy_text(50, 0), np.arange(60), auxiliary=True, special_phones=4, **settings).draw([0], 1)
    assert guessed.targets.max() == 4 and guessed.phones.max() == len(PHONES)  # beyond the end
