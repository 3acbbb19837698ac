"""Error rates of phones, words and characters, how sure they are, and whether one system is better than another."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from rapidfuzz.distance import Levenshtein

from wavu.errors import WavuError
from wavu.scoring.pairs import Sequences, paired, spoken

OPERATIONS = ("insertions", "deletions", "substitutions")
COLUMNS = (*OPERATIONS, "found", "true")


@dataclass(frozen=True, eq=False)
class ErrorRate:
    """Edit operations of B utterances; every rate is one division of sums.

    counts: (B, 5) insertions, deletions, substitutions, symbols found and symbols true of each utterance.
    missing: how many of these utterances nothing was found for; all they hold counts as deleted.

    >>> error = phone_error_rate({"a": ["t", "o"]}, {"a": ["t", "a", "k"]})
    >>> error.total, round(error.rate, 3)
    ({'insertions': 0, 'deletions': 1, 'substitutions': 1, 'found': 2, 'true': 3}, 0.667)
    """

    counts: np.ndarray
    missing: int

    @cached_property
    def total(self) -> dict[str, int]:
        """The sums over utterances, by the names in ``COLUMNS``."""
        return dict(zip(COLUMNS, self.counts.sum(axis=0).tolist(), strict=True))

    @property
    def rate(self) -> float:
        """Edit operations per true symbol. May exceed 1."""
        return float(_rates(self.counts.sum(axis=0)))

    @property
    def length_ratio(self) -> float:
        """Symbols found per true symbol."""
        return self.total["found"] / self.total["true"]


@dataclass(frozen=True)
class Comparison:
    """Our rate minus theirs on the same utterances: below 0 we are better.

    low, high: the interval of the difference. better: share of the resamples in which our rate is lower; equal ones count half.
    """

    difference: float
    low: float
    high: float
    better: float


def phone_error_rate(found: Sequences, true: Sequences) -> ErrorRate:
    """PER over the utterances with a truth; silence is dropped on both sides, and what was found without a truth is left out.

    Raises:
        WavuError: no utterance has both, or the truth holds no phone.
    """
    return _error_rate(spoken(found), spoken(true), "phone")


def word_error_rate(found: Sequences, true: Sequences) -> ErrorRate:
    """WER over the utterances with a truth, of words that are normalised alike.

    Raises:
        WavuError: no utterance has both, or the truth holds no word.
    """
    return _error_rate(found, true, "word")


def character_error_rate(found: Sequences, true: Sequences) -> ErrorRate:
    """CER of the same words as :func:`word_error_rate`; the space between two words is a character."""
    found, true = ({name: list(" ".join(words)) for name, words in side.items()} for side in (found, true))
    return _error_rate(found, true, "character")


def _error_rate(found: Sequences, true: Sequences, symbol: str) -> ErrorRate:
    counts = np.array([(*edit_operations(*pair), *map(len, pair)) for pair in paired(found, true)])
    if not counts[:, -1].any():
        raise WavuError(f"the truth holds no {symbol}; is the right column filled?")
    return ErrorRate(counts, missing=len(true.keys() - found.keys()))


def edit_operations(found: list[str], true: list[str]) -> tuple[int, int, int]:
    """Insertions, deletions and substitutions of the cheapest alignment; of several, the one with the most symbols right."""
    # One integer carries both counts: errors in units of `error`, of which substitutions below. Least total = fewest errors, then
    # fewest substitutions; insertions minus deletions is the difference in length, so nothing needs to be traced back.
    error = len(found) + len(true) + 1
    errors, substitutions = divmod(Levenshtein.distance(true, found, weights=(error, error, error + 1)), error)
    longer = len(found) - len(true)
    insertions = (errors - substitutions + longer) // 2
    return insertions, insertions - longer, substitutions


def interval(error: ErrorRate, *, level: float, resamples: int, seed: int) -> tuple[float, float]:
    """Where the rate would lie with other utterances of the same kind: percentiles of the bootstrap over utterances.

    level: share of the resamples inside, such as 0.95. Utterances are taken to be independent; with few speakers the interval
    is too narrow. Bisani and Ney, "Bootstrap estimates for confidence intervals in ASR performance evaluation", ICASSP 2004.
    """
    return _middle(_rates(_resampled(error.counts, resamples, seed)), level)


def compare(ours: ErrorRate, theirs: ErrorRate, *, level: float, resamples: int, seed: int) -> Comparison:
    """Two systems on the same utterances in the same order, resampled together (Bisani and Ney 2004, probability of improvement).

    Raises:
        WavuError: the utterances differ.
    """
    if not np.array_equal(ours.counts[:, -1], theirs.counts[:, -1]):
        raise WavuError("two systems can only be compared on the same utterances")
    sums = _resampled(np.concatenate([ours.counts, theirs.counts], axis=1), resamples, seed)
    differences = _rates(sums[:, : len(COLUMNS)]) - _rates(sums[:, len(COLUMNS) :])
    better = np.mean((differences < 0) + (differences == 0) / 2)
    return Comparison(ours.rate - theirs.rate, *_middle(differences, level), float(better))


def _rates(sums: np.ndarray) -> np.ndarray:
    """Operations per true symbol from sums of counts (..., 5)."""
    return sums[..., : len(OPERATIONS)].sum(axis=-1) / np.maximum(1, sums[..., -1])


def _resampled(counts: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Sums (R, C) of counts (B, C) over B utterances drawn with replacement, R times."""
    generator, n = np.random.default_rng(seed), len(counts)
    exact = counts.astype(np.float64)  # whole numbers still, and fast to multiply
    return np.stack([np.bincount(generator.integers(n, size=n), minlength=n) @ exact for _ in range(resamples)])


def _middle(values: np.ndarray, level: float) -> tuple[float, float]:
    """The ends of the middle ``level`` of the values (R)."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2]).tolist()
    return low, high
