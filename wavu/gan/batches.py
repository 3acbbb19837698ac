"""Batches by index arithmetic: all segments stay on the device, sentences get their silences when they are drawn."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wavu.errors import WavuError
from wavu.gan.noise import Noise
from wavu.gan.runs import collapsed
from wavu.store import Ragged

MIN_SEGMENTS = 3  # shorter utterances train nobody (as in the original); they are still labelled


@dataclass(frozen=True)
class Batch:
    """What both players see in one update.

    segments (M, B, S, d) and their numbers lengths (M, B); phones (M, B, L, V) one-hot with silences, and phone_lengths (M, B).
    """

    segments: Tensor
    lengths: Tensor
    phones: Tensor
    phone_lengths: Tensor


def padded(flat: Tensor, offsets: np.ndarray, rows: np.ndarray) -> tuple[Tensor, Tensor]:
    """Rows of a ragged array side by side: rows (...) -> padded (..., longest, *), zero at the end, and lengths (...).

    flat (N, *) on any device; offsets (B + 1) and rows on the host, so that the device is never waited for.
    """
    starts, lengths = offsets[rows], offsets[rows + 1] - offsets[rows]
    step = np.arange(max(1, int(lengths.max())))
    valid = step < lengths[..., None]
    places = torch.from_numpy(np.where(valid, starts[..., None] + step, 0)).to(flat.device)
    mask = torch.from_numpy(valid).to(flat.device).view(*valid.shape, *[1] * (flat.ndim - 1))
    return flat[places] * mask, torch.from_numpy(lengths).to(flat.device)


class Batches:
    """Draws utterances and sentences, both uniformly and independently.

    Changed on purpose: the original groups its utterances once and only shuffles the groups afterwards, and freezes the
    silences of its text; here every batch is drawn anew, silences too. Phones that a line repeats are shown once, for JOIN
    cannot repeat a phone either, and nobody should be unmasked by that.
    """

    def __init__(
        self,
        segments: Ragged,
        sentences: Callable[[np.random.Generator, int], Ragged],
        *,
        phones: int,
        batch_size: int,
        device: torch.device,
    ) -> None:
        """segments (S, d): of the utterances to train on. sentences: draws so many phone lines (L). phones: V.

        Raises:
            WavuError: no utterance has three segments.
        """
        self._rows = np.flatnonzero(segments.lengths >= MIN_SEGMENTS)
        if not len(self._rows):
            raise WavuError(
                f"none of the {len(segments)} utterances has {MIN_SEGMENTS} segments or more; is the audio speech, and its VAD not too strict?"
            )
        self.device = device
        self._flat = torch.from_numpy(np.array(segments.flat)).to(device)
        self._offsets = segments.offsets
        self._sentences = sentences
        self._phones = phones
        self._batch_size = batch_size

    def draw(self, noise: Noise) -> Batch:
        """The batch of one update: the same for the same noise."""
        rows = np.stack([rng.choice(self._rows, self._batch_size) for rng in noise.host])
        segments, lengths = padded(self._flat, self._offsets, rows)
        lines = collapsed(Ragged.join([self._sentences(rng, self._batch_size) for rng in noise.host]))
        ids = torch.from_numpy(lines.flat).to(self.device)
        one_hot = F.one_hot(ids.long(), self._phones).float()
        phones, phone_lengths = padded(one_hot, lines.offsets, np.arange(len(lines)).reshape(rows.shape))
        return Batch(segments.float(), lengths, phones, phone_lengths)
