"""Labels of all utterances: each as if it stood alone, and what JOIN would say."""

import numpy as np
import torch

from tests.gan.toy import toy_speech
from wavu.gan.label import label
from wavu.gan.model import Generator, join
from wavu.gan.noise import Noise
from wavu.gan.runs import collapsed


def test_labels_do_not_depend_on_batches_and_agree_with_join() -> None:
    segments, _ = toy_speech(12, 0)
    net = Generator.drawn(Noise([0, 1], 0, torch.device("cpu")), phones=6, dim=8, kernel=4, dropout=0.5)
    small, large = label(net, segments, batch_size=5), label(net, segments, batch_size=100)
    for member, labels in enumerate(small):
        assert np.array_equal(labels.flat, large[member].flat)
        for row, phones in zip(segments, collapsed(labels), strict=True):
            logits, runs = join(net(torch.from_numpy(row).float()[None, None]), torch.tensor([[len(row)]] * 2))
            assert logits[member, 0, : runs[member, 0]].argmax(-1).tolist() == phones.tolist()
