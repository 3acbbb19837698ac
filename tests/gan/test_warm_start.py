"""Labels learned by heart: right where they were wrong at random, confident, and on any scale of the features."""

import numpy as np
import torch

from tests.gan.toy import spoil, toy_speech
from wavu.gan.label import label
from wavu.gan.model import Generator
from wavu.gan.warm_start import initial_generator
from wavu.store import Ragged

SETTINGS = {"phones": 6, "taps": 4, "ridge": 1e-4, "iterations": 60, "examples": 10_000, "confidence": 0.9, "seed": 0}


def test_errors_at_random_are_forgotten() -> None:
    segments, truth = toy_speech(200, 0)
    noisy = spoil(truth, 0.15, 1)
    kernel = initial_generator(segments, noisy, **SETTINGS)
    (labels,) = label(Generator(kernel[None], dropout=0.0), segments, batch_size=64)
    assert 0.8 < np.mean(noisy.flat == truth.flat) < 0.9
    assert np.mean(labels.flat == truth.flat) > 0.95


def test_confidence_is_as_wanted_whatever_the_unit_of_the_features() -> None:
    segments, truth = toy_speech(100, 0, noise=0.8)
    loud = Ragged((segments.flat.astype(np.float32) * 50).astype(np.float32), segments.offsets)
    for speech, settings in ((segments, SETTINGS), (loud, SETTINGS), (segments, SETTINGS | {"confidence": 0.97})):
        kernel = initial_generator(speech, spoil(truth, 0.3, 1), **settings)
        rows = torch.from_numpy(speech.flat).float()[None, None]
        sure = Generator(kernel[None], dropout=0.0)(rows).softmax(-1).max(-1).values.mean()
        assert abs(sure - settings["confidence"]) < 0.02


def test_a_phone_without_labels_is_never_the_best() -> None:
    segments, truth = toy_speech(100, 0)
    without = Ragged(np.where(truth.flat == 2, 1, truth.flat).astype(np.int16), truth.offsets)
    kernel = initial_generator(segments, without, **SETTINGS)
    (labels,) = label(Generator(kernel[None], dropout=0.0), segments, batch_size=64)
    assert 2 not in labels.flat
