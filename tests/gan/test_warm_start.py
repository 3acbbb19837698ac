"""Labels learned by heart: right where they were wrong at random, confident, and on any scale of the features."""

import numpy as np
import torch

from tests.gan.crowd import frames_with_targets, players
from tests.gan.toy import spoil, toy_speech
from wavu.gan.generator import SegmentGenerator
from wavu.gan.label import label
from wavu.gan.warm_start import initial_kernel, most_common
from wavu.ragged import Ragged

SETTINGS = {"phones": 6, "ridge": 1e-4, "iterations": 60, "examples": 10_000, "confidence": 0.9, "seed": 0}


def as_they_are(segments: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    return segments


def learned(segments: Ragged, labels: Ragged, **changes: float) -> SegmentGenerator:
    kernel = initial_kernel(as_they_are, segments, labels, taps=4, stride=1, **(SETTINGS | changes))
    return SegmentGenerator(kernel[None], dropout=0.0, extra_output=False)


def labels_of(net: SegmentGenerator, segments: Ragged) -> np.ndarray:
    return label(net, segments, silence=5, batch_size=64)[0].flat


def test_errors_at_random_are_forgotten() -> None:
    segments, truth = toy_speech(200, 0)
    noisy = spoil(truth, 0.15, 1)
    assert 0.8 < np.mean(noisy.flat == truth.flat) < 0.9
    assert np.mean(labels_of(learned(segments, noisy), segments) == truth.flat) > 0.95


def test_confidence_is_as_wanted_whatever_the_unit_of_the_features() -> None:
    segments, truth = toy_speech(100, 0, noise=0.8)
    loud = Ragged((segments.flat.astype(np.float32) * 50).astype(np.float32), segments.offsets)
    for speech, confidence in ((segments, 0.9), (loud, 0.9), (segments, 0.97)):
        net = learned(speech, spoil(truth, 0.3, 1), confidence=confidence)
        rows = torch.from_numpy(speech.flat).float()[None, None]
        sure = net(rows, torch.tensor([[rows.shape[2]]])).logits.softmax(-1).max(-1).values.mean()
        assert abs(sure - confidence) < 0.02


def test_a_phone_without_labels_is_never_the_best() -> None:
    segments, truth = toy_speech(100, 0)
    without = Ragged(np.where(truth.flat == 2, 1, truth.flat).astype(np.int16), truth.offsets)
    assert 2 not in labels_of(learned(segments, without), segments)


def test_a_generator_of_frames_learns_what_its_outputs_shall_say() -> None:
    frames, _ = frames_with_targets(100, 0)
    truth = toy_speech(100, 0)[1]  # every third frame begins a segment
    net = players([7], "frames")[0].network
    net.acquaint(frames)
    kernel = initial_kernel(net.hidden, frames, truth, taps=9, stride=3, **SETTINGS)
    net.kernel.data = kernel[None]
    assert np.mean(label(net, frames, silence=5, batch_size=64)[0].flat == truth.flat) > 0.95


def test_a_segment_has_the_label_that_most_of_its_frames_have() -> None:
    rng = np.random.default_rng(0)
    lengths = [1, 9, 20]
    labels = Ragged.of([rng.integers(0, 4, length) for length in lengths], np.int16)
    starts = Ragged.of([[0], [0, 1, 5], [0, 3, 4, 13, 19]], np.int32)
    common = most_common(labels, starts)
    assert np.array_equal(common.offsets, starts.offsets) and common.flat.dtype == np.int16
    for row, begins, chosen in zip(labels, starts, common, strict=True):
        for part, phone in zip(np.split(row, begins[1:]), chosen, strict=True):
            assert (part == phone).sum() == max(np.bincount(part))
