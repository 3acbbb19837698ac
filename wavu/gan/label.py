"""Trained generators at work: one phone, or the probability of every phone, for each of their outputs."""

from collections.abc import Iterator

import numpy as np
import torch

from wavu.gan.batches import padded, resident
from wavu.gan.generator import Generator
from wavu.ragged import Ragged

_CPU = torch.device("cpu")


def output_starts(inputs: Ragged, stride: int) -> Ragged:
    """First input (S) int32 of each output of a generator with this stride, for inputs (N, d)."""
    return Ragged.of([np.arange(0, length, stride) for length in inputs.lengths], np.int32)


def label(generator: Generator, inputs: Ragged, *, silence: int, batch_size: int) -> list[Ragged]:
    """The best phone of each output, for each of the M members: segments or frames (N, d) -> M times (S) int16, row by row.

    silence: the last phone; symbols after it, which only the original has, count as silence. batch_size: utterances at a
    time. JOIN is not needed here: in evaluation a run's mean has the same best phone as its parts.

    Raises:
        WavuError: the inputs have another number of dims than the generator was made for.
    """
    offsets = _offsets(generator, inputs)
    labels = np.zeros((len(generator.kernel), offsets[-1]), np.int16)
    for places, logits in _outputs(generator, inputs, offsets, batch_size):
        labels[:, places] = logits.argmax(-1).clamp(max=silence).cpu().numpy()
    return [Ragged(member, offsets) for member in labels]


def log_posteriors(generator: Generator, inputs: Ragged, *, batch_size: int) -> Ragged:
    """Natural log probability of each symbol in each output of a lone member: (N, d) -> (S, V) float32, row by row."""
    offsets = _offsets(generator, inputs)
    found = np.zeros((offsets[-1], generator.kernel.shape[1]), np.float32)
    for places, logits in _outputs(generator, inputs, offsets, batch_size):
        found[places] = logits[0].log_softmax(-1).cpu().numpy()
    return Ragged(found, offsets)


def _offsets(generator: Generator, inputs: Ragged) -> np.ndarray:
    """Where the outputs of each row begin, and the end of the last."""
    return np.concatenate([[0], (-(-inputs.lengths // generator.stride)).cumsum()])


@torch.inference_mode()
def _outputs(
    generator: Generator, inputs: Ragged, offsets: np.ndarray, batch_size: int
) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
    """Places (O) of some outputs among all of them, and their logits (M, O, V), until none is left; rows of like length together."""
    device = generator.kernel.device
    flat, starts = resident(inputs.flat, _CPU), torch.from_numpy(inputs.offsets)
    lengths = np.diff(offsets)
    longest_last = np.argsort(inputs.lengths, kind="stable")
    for begin in range(0, len(inputs), batch_size):
        rows = longest_last[begin : begin + batch_size]
        batch, sizes = padded(flat, starts, torch.from_numpy(rows), max(1, int(inputs.lengths[rows[-1]])))
        logits = generator(batch.to(device).float()[None], sizes.to(device)[None]).logits  # (M, B, S, V)
        valid = np.arange(logits.shape[2]) < lengths[rows, None]
        places = np.arange(logits.shape[2]) + offsets[rows, None]
        yield places[valid], logits[:, torch.from_numpy(valid).to(device)]
