"""Trained generators at work: one phone for each of their outputs."""

import numpy as np
import torch

from wavu.gan.batches import padded, resident
from wavu.gan.generator import Generator
from wavu.store import Ragged

_CPU = torch.device("cpu")


def output_starts(inputs: Ragged, stride: int) -> Ragged:
    """First input (S) int32 of each output of a generator with this stride, for inputs (N, d)."""
    return Ragged.of([np.arange(0, length, stride) for length in inputs.lengths], np.int32)


@torch.inference_mode()
def label(generator: Generator, inputs: Ragged, *, silence: int, batch_size: int) -> list[Ragged]:
    """The best phone of each output, for each of the M members: segments or frames (N, d) -> M times (S) int16, row by row.

    silence: the last phone; symbols after it, which only the original has, count as silence. batch_size: utterances at a
    time. JOIN is not needed here: in evaluation a run's mean has the same best phone as its parts.

    Raises:
        WavuError: the inputs have another number of dims than the generator was made for.
    """
    device = generator.kernel.device
    flat, starts = resident(inputs.flat, _CPU), torch.from_numpy(inputs.offsets)
    lengths = -(-inputs.lengths // generator.stride)
    offsets = np.concatenate([[0], lengths.cumsum()])
    labels = np.zeros((len(generator.kernel), offsets[-1]), np.int16)
    longest_last = np.argsort(inputs.lengths, kind="stable")
    for begin in range(0, len(inputs), batch_size):
        rows = longest_last[begin : begin + batch_size]
        batch, sizes = padded(flat, starts, torch.from_numpy(rows), max(1, int(inputs.lengths[rows[-1]])))
        logits = generator(batch.to(device).float()[None], sizes.to(device)[None]).logits
        best = logits.argmax(-1).clamp(max=silence).cpu().numpy()  # (M, B, S)
        valid = np.arange(best.shape[-1]) < lengths[rows, None]
        places = np.arange(best.shape[-1]) + offsets[rows, None]
        labels[:, places[valid]] = best[:, valid]
    return [Ragged(member, offsets) for member in labels]
