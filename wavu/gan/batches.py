"""Batches by index arithmetic: utterances and sentences lie on one device, and silences are put in where they are drawn."""

import warnings
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wavu.errors import WavuError
from wavu.gan.noise import Noise
from wavu.gan.windows import inside
from wavu.ragged import Ragged

MIN_SEGMENTS = 3  # shorter utterances train nobody (as in the original); they are still labelled
BATCH_STREAM = 1  # of the noise; 0 is that of the players
_RARE = 4.0  # standard deviations: lines with more silences than that above the mean lose their end


@dataclass(frozen=True)
class Batch:
    """What both players see in one update.

    inputs (M, B, S, d) and their numbers lengths (M, B); phones (M, B, L) with silences, padded, and phone_lengths (M, B);
    targets (M, B, S) clusters for the auxiliary loss, -1 beyond the end, where there are any.
    """

    inputs: Tensor
    lengths: Tensor
    phones: Tensor
    phone_lengths: Tensor
    targets: Tensor | None = None

    def to(self, device: torch.device) -> "Batch":
        """The same on another device, without waiting for it."""
        return Batch(*(value if value is None else value.to(device, non_blocking=True) for value in vars(self).values()))


class Buckets:
    """Rows of similar length: the n rows from the shortest to the longest, cut into equal parts."""

    def __init__(self, lengths: np.ndarray, rows: np.ndarray, count: int, device: torch.device) -> None:
        """lengths (all rows); rows: those to draw from; count: of buckets; with fewer rows, some share theirs."""
        order = rows[np.argsort(lengths[rows], kind="stable")]
        self._begin = np.arange(count) * len(order) // count
        self._end = np.maximum(np.arange(1, count + 1) * len(order) // count, self._begin + 1)
        self._longest = lengths[order][self._end - 1]
        self._order = torch.from_numpy(order).to(device)

    def __len__(self) -> int:
        return len(self._longest)

    def longest(self, bucket: int) -> int:
        """Length of its longest row."""
        return int(self._longest[bucket])

    def pick(self, noise: Noise, batch_size: int, bucket: int) -> Tensor:
        """Rows (M, B) of one bucket, each as likely as the other."""
        begin, count = int(self._begin[bucket]), int(self._end[bucket] - self._begin[bucket])
        return self._order[begin + (noise.uniform(batch_size) * count).long().clamp(max=count - 1)]


def padded(flat: Tensor, offsets: Tensor, rows: Tensor, longest: int, *, fill: float = 0) -> tuple[Tensor, Tensor]:
    """Rows of a ragged array side by side: rows (...) -> (..., longest, *), ``fill`` beyond the end, and lengths (...).

    flat (N, *), offsets (number of rows + 1) and rows on one device, which is never waited for.
    """
    starts = offsets[rows]
    lengths = offsets[rows + 1] - starts
    valid = inside(lengths, longest)
    places = torch.where(valid, starts[..., None] + torch.arange(longest, device=rows.device), 0)
    mask = valid.view(*valid.shape, *[1] * (flat.ndim - 1))
    values = flat[places]
    return (values * mask if fill == 0 else torch.where(mask, values, fill)), lengths


class Sentences:
    """Unpaired text: phones with silences drawn afresh each time, as nobody knows where a reader would pause."""

    def __init__(
        self,
        phones: Ragged,
        word_starts: np.ndarray,
        *,
        silence: int,
        probability: float,
        before: float,
        after: float,
        repeats: bool,
        padding: int,
        buckets: int,
        device: torch.device,
    ) -> None:
        """phones (N): of each sentence. word_starts: where in the flat array a word begins. silence: its number.

        probability: of a silence between two words; before, after: of one there. repeats: whether a phone may
        follow itself, as in the original; JOIN cannot repeat a phone, and nobody should be unmasked by that. padding: what
        stands beyond the end.

        Raises:
            WavuError: no sentence has a phone.
        """
        rows = np.flatnonzero(phones.lengths > 0)
        if not len(rows):
            raise WavuError("the text has no sentence with a phone in it; look at dropped.tsv of prepare_text")
        boundary = np.zeros(len(phones.flat), bool)
        boundary[word_starts] = True
        boundary[phones.offsets[:-1][rows]] = False
        self._phones = torch.from_numpy(np.array(phones.flat)).to(device)
        self._boundary, self._offsets = torch.from_numpy(boundary).to(device), torch.from_numpy(phones.offsets).to(device)
        self.buckets = Buckets(phones.lengths, rows, buckets, device)
        self._words = max(1, int(np.add.reduceat(boundary, phones.offsets[:-1][rows]).max()))
        self._silence, self._probability, self._ends = silence, probability, (before, after)
        self._repeats, self._padding = repeats, padding

    def draw(self, noise: Noise, batch_size: int, bucket: int) -> tuple[Tensor, Tensor]:
        """Lines (M, B, L) and their lengths (M, B)."""
        longest = self.buckets.longest(bucket)
        rows = self.buckets.pick(noise, batch_size, bucket)
        phones, lengths = padded(self._phones, self._offsets, rows, longest, fill=-1)
        boundary, _ = padded(self._boundary, self._offsets, rows, longest)
        silent = boundary & (noise.uniform(batch_size, longest) < self._probability)
        begins, ends = (noise.uniform(batch_size) < share for share in self._ends)
        return self._with_silences(phones.long(), silent, inside(lengths, longest), begins, ends)

    def _with_silences(
        self, phones: Tensor, silent: Tensor, valid: Tensor, begins: Tensor, ends: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Put a silence before each phone that is to have one; silent, valid (M, B, L) bool. At both ends: begins, ends (M, B)."""
        kept = valid.clone()
        if not self._repeats:
            kept[..., 1:] &= (phones[..., 1:] != phones[..., :-1]) | silent[..., 1:]
        size = self._longest_line(phones.shape[-1])
        through = begins[..., None] + (kept.long() + silent).cumsum(-1)  # symbols of the line up to each phone
        lengths = (through[..., -1] + ends).clamp(max=size)
        line = phones.new_full((*phones.shape[:2], size + 1), self._padding)  # what does not fit goes into the last place
        silence = torch.full_like(phones, self._silence)
        for values, where, place in ((phones, kept, through - 1), (silence, silent, through - 2)):
            line.scatter_(-1, torch.where(where, place, size).clamp(max=size), values)
        line[..., 0] = torch.where(begins, self._silence, line[..., 0])
        line.scatter_(-1, torch.where(ends, lengths - 1, size)[..., None], self._silence)
        return line[..., :size], lengths

    def _longest_line(self, longest: int) -> int:
        """Room for a line of ``longest`` phones: known without looking at what was drawn, and hardly ever too little."""
        words, p = min(self._words, longest), self._probability
        silences = min(words, int(np.ceil(words * p + _RARE * (words * p * (1 - p)) ** 0.5)))
        return longest + silences + sum(share > 0 for share in self._ends)


class Batches:
    """Draws utterances and sentences, independently, all of one update from those of similar length.

    Changed on purpose: the original groups its utterances once, at random, and only shuffles the groups afterwards.
    """

    def __init__(
        self,
        inputs: Ragged,
        rows: np.ndarray,
        sentences: Sentences,
        *,
        targets: Ragged | None,
        batch_size: int,
        seed: int,
        home: torch.device,
        device: torch.device,
    ) -> None:
        """inputs (N, d), of which the utterances ``rows`` are to be trained on; targets (N) for the auxiliary loss.

        seed: draws the bucket of each update, the same for all members. home: where the data lie; on a CPU a memory-map stays
        one. device: where the batches go.

        Raises:
            WavuError: no utterance has three segments.
        """
        long_enough = rows[inputs.lengths[rows] >= MIN_SEGMENTS]
        if not len(long_enough):
            raise WavuError(
                f"none of the {len(rows)} utterances has {MIN_SEGMENTS} segments or more; is the audio speech, and its VAD not too strict?"
            )
        self._buckets = Buckets(inputs.lengths, long_enough, len(sentences.buckets), home)
        self._flat, self._offsets = resident(inputs.flat, home), torch.from_numpy(inputs.offsets).to(home)
        self._targets = None if targets is None else resident(targets.flat, home)
        self._sentences, self._batch_size, self._seed = sentences, batch_size, seed
        self._home, self._device = home, device
        self._pool, self._ahead = ThreadPoolExecutor(1), dict[tuple, Future]()

    def draw(self, seeds: Sequence[int], update: int) -> Batch:
        """The batch of one update: the same for the same seeds.

        Where the data are not at home on the device, the next one is drawn while this one is worked on.
        """
        if self._home == self._device:
            return self._draw(seeds, update)
        key = (tuple(seeds), update)
        batch = self._ahead.pop(key).result() if key in self._ahead else self._draw(seeds, update)
        self._ahead = {(tuple(seeds), update + 1): self._pool.submit(self._draw, seeds, update + 1)}
        return batch

    def _draw(self, seeds: Sequence[int], update: int) -> Batch:
        noise = Noise(seeds, update, self._home, stream=BATCH_STREAM)
        bucket = int(np.random.default_rng([self._seed, update]).integers(len(self._buckets)))
        longest = self._buckets.longest(bucket)
        rows = self._buckets.pick(noise, self._batch_size, bucket)
        inputs, lengths = padded(self._flat, self._offsets, rows, longest)
        targets = None
        if self._targets is not None:
            targets = padded(self._targets, self._offsets, rows, longest, fill=-1)[0].long()
        lines = self._sentences.draw(noise, self._batch_size, bucket)
        return Batch(inputs.float(), lengths, *lines, targets).to(self._device)


def resident(flat: np.ndarray, home: torch.device) -> Tensor:
    """An array on a device; on a CPU a memory-map is not read before it is needed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")  # nobody writes into it
        return torch.from_numpy(flat).to(home)
