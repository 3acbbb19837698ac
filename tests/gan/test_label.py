"""Labels of all utterances: each as if it stood alone, and what JOIN would say."""

import numpy as np
import pytest
import torch

from tests.gan.crowd import frames_with_targets, players
from tests.gan.toy import toy_speech
from wavu.gan.generator import SegmentGenerator
from wavu.gan.join import join
from wavu.gan.label import label, log_posteriors
from wavu.gan.runs import collapsed
from wavu.ragged import Ragged


@pytest.mark.parametrize("hears", ["segments", "frames"])
def test_labels_do_not_depend_on_batches_and_agree_with_join(hears: str) -> None:
    inputs = {"segments": toy_speech(5, 0)[0], "frames": frames_with_targets(5, 0)[0]}[hears]
    net = players([0, 1], hears)[0].network
    small, large = (label(net, inputs, silence=5, batch_size=size) for size in (2, 100))
    for member, labels in enumerate(small):
        assert labels.flat.dtype == np.int16 and labels.lengths.tolist() == (-(-inputs.lengths // net.stride)).tolist()
        assert np.array_equal(labels.flat, large[member].flat) and np.array_equal(labels.offsets, large[member].offsets)
        for row, phones in zip(inputs, collapsed(labels), strict=True):
            heard = net(torch.from_numpy(row).float()[None, None], torch.tensor([[len(row)]] * 2))
            logits, runs = join(heard.logits, heard.lengths)
            assert logits[member, 0, : runs[member, 0]].argmax(-1).tolist() == phones.tolist()


def test_what_no_language_has_is_silence() -> None:
    kernel = torch.eye(9).view(1, 9, 9, 1)  # segment i says phone i
    segments = Ragged.of([np.eye(9)[[0, 8, 5, 6, 4]]], np.float16)
    (labels,) = label(SegmentGenerator(kernel, dropout=0.0, extra_output=False), segments, silence=5, batch_size=4)
    assert labels.flat.tolist() == [0, 5, 5, 5, 4]


def test_one_label_per_segment_even_with_the_extra_output() -> None:
    kernel = torch.zeros(1, 9, 9, 4)
    kernel[0, ..., 2] = torch.eye(9)  # the tap that hears the segment itself
    segments = Ragged.of([np.eye(9)[[0, 3, 4]], np.zeros((0, 9)), np.eye(9)[[2]]], np.float16)
    (labels,) = label(SegmentGenerator(kernel, dropout=0.0, extra_output=True), segments, silence=8, batch_size=2)
    assert [row.tolist() for row in labels] == [[0, 3, 4], [], [2]]


@pytest.mark.parametrize("hears", ["segments", "frames"])
def test_the_most_probable_symbol_is_the_label(hears: str) -> None:
    inputs = {"segments": toy_speech(5, 0)[0], "frames": frames_with_targets(5, 0)[0]}[hears]
    net = players([0], hears)[0].network
    small, large = (log_posteriors(net, inputs, batch_size=size) for size in (2, 100))
    (labels,) = label(net, inputs, silence=5, batch_size=3)
    assert np.abs(small.flat - large.flat).max() < 1e-5 and np.exp(large.flat).sum(1) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(small.flat.argmax(1), labels.flat) and np.array_equal(small.offsets, labels.offsets)
