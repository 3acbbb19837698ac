"""Which phones follow which: an n-gram of the text as a hidden Markov model uses it, every probability in a table.

Shapes: V phones, P contexts. In a trigram the context is the phone before, or the beginning of the utterance: P = V + 1. In a
bigram there is one: P = 1.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wavu.ragged import Ragged


@dataclass(frozen=True)
class Grammar:
    """Probabilities of phones: first (V) to begin with v; last (P, V) to end after (p, v); next (X, Y, V) to go on with w.

    Going on from (p, v) to w drops what the n-gram forgets: with (P, V) viewed as (X, Y), x is forgotten and y becomes the
    context of w. A trigram has X = P, Y = V; a bigram X = V, Y = 1.
    """

    first: Tensor
    next: Tensor
    last: Tensor

    @classmethod
    def of(cls, lines: Ragged, n_phones: int, *, order: int) -> "Grammar":
        """Estimate a bigram or trigram (order 2 or 3) on phone lines by interpolated Witten-Bell smoothing (Chen & Goodman 1998).

        lines: phone ids, one row per sentence. The end of a line is one more symbol.
        """
        begin, end = n_phones, n_phones
        flat, offsets = np.asarray(lines.flat, np.int64), lines.offsets
        starts, stops = offsets[:-1][lines.lengths > 0], offsets[1:][lines.lengths > 0]
        after = np.append(flat[1:], end)
        after[stops - 1] = end
        before = np.append(begin, flat[:-1])
        before[starts] = begin
        counts = np.zeros((n_phones + 1, n_phones, n_phones + 1))
        np.add.at(counts, (before, flat, after), 1)
        unigram = _witten_bell(counts.sum((0, 1)), np.full(n_phones + 1, 1 / (n_phones + 1)))
        bigram = _witten_bell(counts.sum(0), unigram)
        ngram = torch.tensor(_witten_bell(counts, bigram) if order == 3 else bigram[None], dtype=torch.float32)
        first = _witten_bell(np.bincount(flat[starts], minlength=n_phones).astype(float), unigram[:-1] / unigram[:-1].sum())
        onward = ngram[..., :-1] if order == 3 else ngram[..., :-1].transpose(0, 1)  # (P, V, W) -> (X, Y, W)
        return cls(torch.tensor(first, dtype=torch.float32), onward.contiguous(), ngram[..., -1].contiguous())

    @classmethod
    def unpacked(cls, arrays: dict[str, np.ndarray]) -> "Grammar":
        """The grammar among arrays from disk."""
        return cls(*(torch.from_numpy(arrays[name]) for name in ("first", "next", "last")))

    def packed(self) -> dict[str, np.ndarray]:
        """Its arrays, for disk."""
        return {name: tensor.cpu().numpy() for name, tensor in vars(self).items()}

    @property
    def n_contexts(self) -> int:
        """P."""
        return len(self.last)

    def to(self, device: torch.device) -> "Grammar":
        """The same, elsewhere."""
        return Grammar(*(part.to(device) for part in (self.first, self.next, self.last)))

    def weighted(self, weight: float, phone_bonus: float) -> "Grammar":
        """Natural logarithms of the probabilities times ``weight``, with ``phone_bonus`` for each phone that is not silence."""
        bonus = torch.full_like(self.first, phone_bonus)
        bonus[-1] = 0.0
        return Grammar(weight * log(self.first) + bonus, weight * log(self.next) + bonus, weight * log(self.last))


def with_optional_silence(lines: Ragged, silence: int) -> Ragged:
    """Every line twice: as it is, and with a silence at both ends, as a recording may be cut either way."""
    places = np.concatenate([lines.offsets[:-1], lines.offsets[1:]])
    surrounded = Ragged(np.insert(lines.flat, places, silence), lines.offsets + 2 * np.arange(len(lines.offsets)))
    return Ragged.join([lines, surrounded])


def _witten_bell(counts: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Counts (..., W) interpolated with the lower order (broadcast): weight of the lower is the number of distinct successors."""
    distinct = np.maximum((counts > 0).sum(-1, keepdims=True), 1)
    return (counts + distinct * lower) / (counts.sum(-1, keepdims=True) + distinct)


def log(probability: Tensor) -> Tensor:
    """Natural logarithm, finite for zero."""
    return torch.log(probability.clamp(min=1e-30))
