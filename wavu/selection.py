"""How good is a recogniser nobody can check? A score of its output from unpaired text alone, and plain words when it failed.

Nothing here can see a transcript of audio: what comes in is phones a generator put out, and sentences of somebody else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from wavu.store import Ragged

ORDERS = (1, 2, 3)
# Speech has 6 (slow, few consonants) to 22 (fast, dense) phones a second; read English about 12.
SLOWEST_PHONES_PER_SECOND, FASTEST_PHONES_PER_SECOND = 5.0, 25.0
LEAST_VOCABULARY = 0.6  # below it, runs of the original were collapsed

LogProbability = Callable[[Ragged], np.ndarray]
Frequencies = tuple[np.ndarray, np.ndarray]  # n-grams as numbers base V, ascending; the share of each


@dataclass(frozen=True, eq=False)
class Judge:
    """What phones of the language look like, learned from text.

    phones: V, the last one being silence. frequencies: for each n of ORDERS, the n-grams of the text.
    log10_probability: of each phone line (B) under the text's language model, the line's end included.
    text_perplexity, random_perplexity: of held-out sentences, and of the same with their phones in random order.
    text_divergence, random_divergence: of their trigrams from the text's; what the best and a useless recogniser get.
    """

    phones: int
    frequencies: tuple[Frequencies, ...]
    log10_probability: LogProbability
    text_perplexity: float
    random_perplexity: float
    text_divergence: float
    random_divergence: float

    @classmethod
    def of(cls, lines: Ragged, *, phones: int, log10_probability: LogProbability, sample: int, seed: int) -> "Judge":
        """Learn from phone lines (L) without silence. sample: about how many phones will be judged at a time."""
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(lines))
        held = lines.take(order[: _enough(lines.lengths[order], sample)])
        rest = lines.take(order[len(held) :]) if len(held) < len(lines) else lines
        shuffled = Ragged(rng.permutation(held.flat), held.offsets)
        trigrams = _frequencies(rest, 3, phones)
        return cls(
            phones=phones,
            frequencies=tuple(_frequencies(lines, n, phones) for n in ORDERS),
            log10_probability=log10_probability,
            text_perplexity=perplexity(held, log10_probability),
            random_perplexity=perplexity(shuffled, log10_probability),
            text_divergence=_apart(_frequencies(held, 3, phones), trigrams),
            random_divergence=_apart(_frequencies(shuffled, 3, phones), trigrams),
        )

    def score(self, lines: Ragged, *, seconds: float) -> dict[str, float]:
        """Numbers about phone lines a recogniser put out, without silence; lower ``score`` is better.

        seconds: of speech they were heard in. ``score`` = ln(weighted perplexity) + mean n-gram divergence: the original's
        criterion (Baevski et al. 2021) and a guard against dull text of low perplexity, which it likes.

        Changed on purpose: the vocabulary is counted once over all lines, not per batch, and silence is not part of it; the
        language model was trained on text without silence, as the lines are.
        """
        used = len(np.unique(lines.flat)) / (self.phones - 1)
        plain = perplexity(lines, self.log10_probability)
        weighted = plain / used**2 if used else float("inf")
        divergences = [
            _apart(_frequencies(lines, n, self.phones), known) for n, known in zip(ORDERS, self.frequencies, strict=True)
        ]
        return {
            "score": float(np.log(weighted) + np.mean(divergences)),
            "lm_perplexity": plain,
            "weighted_lm_perplexity": weighted,
            "vocabulary_used": used,
            **{f"jsd{n}": value for n, value in zip(ORDERS, divergences, strict=True)},
            "phones_per_second": len(lines.flat) / max(seconds, 1e-9),
        }

    def suspect(self, scores: dict[str, float]) -> str | None:
        """Why a recogniser with these scores has probably failed, in words; None when nothing is suspicious."""
        reasons = []
        used, rate, total = scores["vocabulary_used"], scores["phones_per_second"], self.phones - 1
        if used < LEAST_VOCABULARY:
            reasons.append(f"collapsed: {round(used * total)} of {total} phones used")
        if not SLOWEST_PHONES_PER_SECOND <= rate <= FASTEST_PHONES_PER_SECOND:
            reasons.append(
                f"{rate:.1f} phones per second, people speak {SLOWEST_PHONES_PER_SECOND:.0f} to {FASTEST_PHONES_PER_SECOND:.0f}"
            )
        # Half way, in bits, between text and its phones in random order.
        if scores["lm_perplexity"] > (self.text_perplexity * self.random_perplexity) ** 0.5:
            reasons.append(
                f"phone order unlike the text's: perplexity {scores['lm_perplexity']:.1f}, text {self.text_perplexity:.1f}, random order {self.random_perplexity:.1f}"
            )
        elif scores["jsd3"] > (self.text_divergence + self.random_divergence) / 2:
            reasons.append(
                f"phone trigrams unlike the text's: divergence {scores['jsd3']:.2f}, text {self.text_divergence:.2f}, random order {self.random_divergence:.2f}"
            )
        return "; ".join(reasons) or None


def perplexity(lines: Ragged, log10_probability: LogProbability) -> float:
    """Per phone, each line's end counted as one; infinite when nothing was said."""
    if not len(lines.flat):
        return float("inf")
    return float(10 ** (-log10_probability(lines).sum() / (len(lines.flat) + len(lines))))


def divergence(p: np.ndarray, q: np.ndarray) -> float:
    """Jensen-Shannon divergence of two distributions in bits, 0 (equal) to 1 (nothing in common).

    >>> divergence(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    1.0
    """
    mean = (p + q) / 2
    parts = [side[side > 0] * np.log2(side[side > 0] / mean[side > 0]) for side in (p, q)]
    return float(sum(part.sum() for part in parts) / 2)


def best(rows: Sequence[dict]) -> dict:
    """The row with the lowest score; the earliest of equals."""
    return min(rows, key=lambda row: row["score"])


def _frequencies(lines: Ragged, n: int, phones: int) -> Frequencies:
    """The n-grams within lines."""
    count = max(0, len(lines.flat) - n + 1)
    codes = np.zeros(count, np.int64)
    for shift in range(n):
        codes = codes * phones + lines.flat[shift : shift + count]
    row = np.repeat(np.arange(len(lines)), lines.lengths)
    keys, counts = np.unique(codes[row[:count] == row[n - 1 :]], return_counts=True)
    return keys, counts / max(1, counts.sum())


def _apart(a: Frequencies, b: Frequencies) -> float:
    """Divergence of two sets of n-grams."""
    keys = np.union1d(a[0], b[0])
    p, q = np.zeros(len(keys)), np.zeros(len(keys))
    p[np.searchsorted(keys, a[0])] = a[1]
    q[np.searchsorted(keys, b[0])] = b[1]
    return divergence(p, q)


def _enough(lengths: np.ndarray, sample: int) -> int:
    """How many of these lines hold about ``sample`` phones together, at most half of them and at least one."""
    return int(np.clip(np.searchsorted(lengths.cumsum(), sample) + 1, 1, max(1, len(lengths) // 2)))
