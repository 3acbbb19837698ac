"""What hidden Markov models learn from on the toy language."""

from pathlib import Path

import numpy as np

from tests.gan.toy import FRAMES, spoil, toy_speech
from tests.stages.toy_gan import UTTERANCES
from wavu.prepared import Speech, Text
from wavu.ragged import Ragged
from wavu.stages.hmm_task import HmmTask

MIXTURES = {"gaussians": 1, "passes": 1, "least_frames": 20.0, "variance_floor": 0.01}
GAUSSIANS = {"turns": 2, "transform": {"reach": 1, "dim": 6, "iterations": 3}, "mixtures": MIXTURES}
EVIDENCE = {"by": "likelihood", "utterances": 50, "mixtures": MIXTURES}
WORDS = {
    "acoustic_scale": 0.1, "lm_weight": 1.0, "word_score": 0.0, "silence_score": 0.0, "beam": 16.0, "max_active": 1500
}  # fmt: skip


def frame_labels(share: float = 0.0) -> Ragged:
    """The phone of each frame, a share of the segments wrong."""
    labels = spoil(toy_speech(UTTERANCES, 0)[1], share, 3)
    return Ragged(np.repeat(labels.flat, FRAMES), labels.offsets * FRAMES)


def toy_task(made: Path, share: float = 0.0, *, through_units: bool = True) -> HmmTask:
    """Labels to begin with of which a share is wrong; two sub-states."""
    speech, text, selection = Speech.read(made / "audio"), Text.read(made / "text"), {"jsd1": 1.0}
    return HmmTask.of(
        speech, text, made / "text", frame_labels(share), silence=0.25, order=3, states=2, selection=selection, seed=0,
        through_units=through_units,
    )  # fmt: skip
