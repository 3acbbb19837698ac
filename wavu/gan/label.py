"""A trained generator at work: one phone for each segment of each utterance."""

import numpy as np
import torch

from wavu.gan.batches import padded
from wavu.gan.model import Generator
from wavu.store import Ragged


@torch.inference_mode()
def label(generator: Generator, segments: Ragged, *, batch_size: int) -> list[Ragged]:
    """The best phone of each segment, for each of the M members: segments (S, d) -> M times (S) int16, row by row.

    batch_size: utterances at a time. JOIN is not needed here: in evaluation a run's mean has the same best phone as its parts.

    Raises:
        WavuError: the segments have another number of dims than the generator was made for.
    """
    device = generator.kernel.device
    flat = torch.from_numpy(np.array(segments.flat)).to(device)
    labels = np.zeros((len(generator.kernel), len(segments.flat)), np.int16)
    longest_last = np.argsort(segments.lengths, kind="stable")
    for begin in range(0, len(segments), batch_size):
        rows = longest_last[begin : begin + batch_size]
        batch, _ = padded(flat, segments.offsets, rows)
        best = generator(batch.float()[None]).argmax(-1).cpu().numpy()  # (M, B, S)
        valid = np.arange(best.shape[-1]) < segments.lengths[rows, None]
        places = np.arange(best.shape[-1]) + segments.offsets[rows, None]
        labels[:, places[valid]] = best[:, valid]
    return [Ragged(member, segments.offsets) for member in labels]
