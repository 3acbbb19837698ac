"""Which phone is taken for which."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from wavu.scoring.pairs import Sequences, paired, spoken

NOTHING = "<NONE>"  # the other side of an insertion or a deletion


@dataclass(frozen=True, eq=False)
class Confusions:
    """How often each phone was recognised as each.

    names: V phones, the most frequent first, and ``NOTHING``.
    counts: (V + 1, V + 1) rows are true, columns found: the last column holds deletions, the last row insertions.
    """

    names: list[str]
    counts: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """The counts by the sum of their row: what becomes of a true phone; in the last row, what is inserted."""
        return self.counts / np.maximum(1, self.counts.sum(axis=1, keepdims=True))

    def pairs(self) -> list[dict]:
        """Every pair that occurs, right ones too, the most frequent first: true, found, count and share of the row."""
        places = [divmod(int(place), len(self.names)) for place in np.argsort(-self.counts, axis=None, kind="stable")]
        return [
            {
                "true": self.names[row],
                "found": self.names[column],
                "count": int(self.counts[row, column]),
                "share": round(float(self.shares[row, column]), 6),
            }
            for row, column in places
            if self.counts[row, column]
        ]

    def worst(self, limit: int) -> list[dict]:
        """The most frequent pairs that are wrong, at most ``limit``."""
        return [pair for pair in self.pairs() if pair["true"] != pair["found"]][:limit]


def confusions(found: Sequences, true: Sequences) -> Confusions:
    """Count the pairs of the alignments whose operations :func:`~wavu.scoring.rates.phone_error_rate` counts.

    Raises:
        WavuError: no utterance has both.
    """
    pairs = Counter(pair for row in paired(spoken(found), spoken(true)) for pair in aligned(*row))
    frequency: Counter[str] = Counter()
    for (phone, _), count in pairs.items():
        frequency[phone] += count
    phones = sorted({phone for pair in pairs for phone in pair} - {NOTHING}, key=lambda phone: (-frequency[phone], phone))
    names = [*phones, NOTHING]
    counts = np.array([[pairs[phone, other] for other in names] for phone in names])
    return Confusions(names, counts)


def aligned(found: list[str], true: list[str]) -> list[tuple[str, str]]:
    """Pairs (true, found) of the cheapest alignment; of several, one with the most symbols right. ``NOTHING`` fills the gaps.

    >>> aligned(["b", "a"], ["a", "b"])
    [('<NONE>', 'b'), ('a', 'a'), ('b', '<NONE>')]
    """
    costs, gap = _costs(found, true)
    row, column, pairs = len(true), len(found), []
    while row or column:
        # Back along the first step that explains the cost: both sides, then the truth alone, then what was found alone.
        wrong = (gap + 1) * (row > 0 and column > 0 and true[row - 1] != found[column - 1])
        if row and column and costs[row, column] == costs[row - 1, column - 1] + wrong:
            row, column = row - 1, column - 1
            pairs.append((true[row], found[column]))
        elif row and costs[row, column] == costs[row - 1, column] + gap:
            row -= 1
            pairs.append((true[row], NOTHING))
        else:
            column -= 1
            pairs.append((NOTHING, found[column]))
    return pairs[::-1]


def _costs(found: list[str], true: list[str]) -> tuple[np.ndarray, int]:
    """Levenshtein's table (T + 1, F + 1), each row at once, and what an insertion or a deletion costs in it.

    A substitution costs 1 more, too little to add up to one of them: it only decides between equally cheap alignments.
    """
    gap = len(found) + len(true) + 1
    inserted = gap * np.arange(len(found) + 1)
    number = {symbol: index for index, symbol in enumerate(dict.fromkeys(true))}
    symbols = np.array([number.get(symbol, -1) for symbol in found], np.int64)
    substituted = [(symbols != index) * (gap + 1) for index in range(len(number))]
    rows = [inserted]
    for symbol in true:
        above = rows[-1] + gap
        above[1:] = np.minimum(above[1:], rows[-1][:-1] + substituted[number[symbol]])
        # An insertion follows the cheapest cell to the left: min over k <= j of cell k + (j - k) insertions.
        rows.append(np.minimum.accumulate(above - inserted) + inserted)
    return np.stack(rows), gap
