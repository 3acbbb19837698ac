"""How good is a recogniser nobody can check? A score of its output from unpaired text alone, and plain words when it failed.

Nothing here can see a transcript of audio: what comes in is phones a generator put out, and sentences of somebody else.
Shapes: M recognisers, B lines or utterances, N segments, V phones, the last of them silence.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz.distance import Levenshtein

from wavu.errors import WavuError
from wavu.ragged import Ragged

ORDERS = (1, 2, 3, 4)
# Speech has 6 (slow, few consonants) to 22 (fast, dense) phones a second; read English about 12.
SLOWEST_PHONES_PER_SECOND, FASTEST_PHONES_PER_SECOND = 5.0, 25.0
# Found by expected. Networks of 14 and 16 outputs a second learned English, of 25 and 28 none did (Liu et al. 2022, table 1).
GREATEST_LENGTH_RATIO = 1.6
LEAST_VOCABULARY = 0.6  # below it, runs of the original were collapsed
# Losses: a discriminator this sure of both its sides and a generator that passes this badly were seen where training never
# got going.
SURE_DISCRIMINATOR, HOPELESS_GENERATOR = 0.1, 2.5

# What each measure adds to a score, lower being better and all of them of the size of nats or bits; nothing where it is unknown.
TERMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "lm_perplexity": np.log,
    "weighted_lm_perplexity": np.log,
    "weighted_perplexity_per_batch": np.log,
    "vocabulary_used": lambda share: -np.log(share),
    "jsd": lambda bits: bits,
    **{f"jsd{n}": lambda bits: bits for n in ORDERS},
    "length_ratio": lambda ratio: np.abs(np.log(ratio)),
    "log_likelihood": lambda nats_per_frame: -nats_per_frame,
    "agreement": lambda share: np.where(np.isnan(share), 0.0, 1 - share),
}

LogProbability = Callable[[Ragged], np.ndarray]
Frequencies = tuple[np.ndarray, np.ndarray]  # n-grams as numbers base V, ascending; the share of each


@dataclass(frozen=True, eq=False)
class Judge:
    """What phones of the language look like, learned from text.

    phones: V. frequencies: for each n of ORDERS, the n-grams of the text.
    log10_probability: of each phone line (B) under the text's language model, the line's end included.
    text_perplexity, random_perplexity: of held-out sentences, and of the same with their phones in random order.
    text_divergence, random_divergence: of their trigrams from the text's; what the best and a useless recogniser get.
    phones_per_second: expected of the speakers; None when nobody knows. weights: of the measures in a score, see ``combine``.
    """

    phones: int
    frequencies: tuple[Frequencies, ...]
    log10_probability: LogProbability
    text_perplexity: float
    random_perplexity: float
    text_divergence: float
    random_divergence: float
    phones_per_second: float | None
    weights: Mapping[str, float]

    @classmethod
    def of(
        cls,
        lines: Ragged,
        *,
        phones: int,
        log10_probability: LogProbability,
        sample: int,
        seed: int,
        phones_per_second: float | None,
        weights: Mapping[str, float],
    ) -> "Judge":
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
            phones_per_second=phones_per_second,
            weights=weights,
        )

    def score(self, lines: Ragged, *, seconds: float, **measured: float) -> dict[str, float]:
        """Numbers about phone lines (B) a recogniser put out, without silence; lower ``score`` is better.

        seconds: of speech they were heard in. measured: what else is known about them, such as their ``agreement``; becomes
        part of the row and, with a weight, of the score. ``length_ratio`` is phones found by expected, 1 when nobody knows
        what to expect: then it is no reason for or against anybody.

        Changed on purpose: the vocabulary is counted once over all lines, not per batch, and silence is not part of it; the
        language model was trained on text without silence, as the lines are.
        """
        used = len(np.unique(lines.flat)) / (self.phones - 1)
        plain = perplexity(lines, self.log10_probability)
        rate = len(lines.flat) / max(seconds, 1e-9)
        divergences = [
            _apart(_frequencies(lines, n, self.phones), known) for n, known in zip(ORDERS, self.frequencies, strict=True)
        ]
        row = {
            "lm_perplexity": plain,
            "weighted_lm_perplexity": plain / used**2 if used else float("inf"),
            "vocabulary_used": used,
            "jsd": float(np.mean(divergences)),
            **{f"jsd{n}": value for n, value in zip(ORDERS, divergences, strict=True)},
            "phones_per_second": rate,
            "length_ratio": rate / self.phones_per_second if self.phones_per_second else 1.0,
            **measured,
        }
        return {"score": float(combine([row], self.weights)[0]), **row}

    def suspect(self, scores: Mapping[str, float], losses: Mapping[str, float] | None = None) -> str | None:
        """Why a recogniser with these scores has probably failed, in words, causes first; None when nothing is suspicious.

        losses: of its training by name, smoothed over some hundred updates; None when there is no training to judge.
        """
        reasons = (
            _broken(losses or {}),
            self._few_phones(scores),
            self._wrong_rate(scores),
            self._wrong_order(scores),
            _outplayed(losses or {}),
        )
        return "; ".join(reason for reason in reasons if reason) or None

    def _few_phones(self, scores: Mapping[str, float]) -> str | None:
        used, total = scores["vocabulary_used"], self.phones - 1
        return f"collapsed: {round(used * total)} of {total} phones used" if used < LEAST_VOCABULARY else None

    def _wrong_rate(self, scores: Mapping[str, float]) -> str | None:
        rate, expected = scores["phones_per_second"], self.phones_per_second
        if expected:
            usual = expected / GREATEST_LENGTH_RATIO <= rate <= expected * GREATEST_LENGTH_RATIO
            return None if usual else f"{rate:.1f} phones per second, {rate / expected:.2g} x the {expected:.1f} expected"
        if SLOWEST_PHONES_PER_SECOND <= rate <= FASTEST_PHONES_PER_SECOND:
            return None
        return f"{rate:.1f} phones per second, people speak {SLOWEST_PHONES_PER_SECOND:.0f} to {FASTEST_PHONES_PER_SECOND:.0f}"

    def _wrong_order(self, scores: Mapping[str, float]) -> str | None:
        found, text, random = scores["lm_perplexity"], self.text_perplexity, self.random_perplexity
        if found > (text * random) ** 0.5:  # half way, in bits, between text and its phones in random order
            return f"phone order unlike the text's: perplexity {found:.1f}, text {text:.1f}, random order {random:.1f}"
        found, text, random = scores["jsd3"], self.text_divergence, self.random_divergence
        if found > (text + random) / 2:
            return f"phone trigrams unlike the text's: divergence {found:.2f}, text {text:.2f}, random order {random:.2f}"
        return None


def _broken(losses: Mapping[str, float]) -> str | None:
    names = [name for name, value in losses.items() if not np.isfinite(value)]
    return f"training broke down: {', '.join(names)} not finite" if names else None


def _outplayed(losses: Mapping[str, float]) -> str | None:
    """The discriminator is sure of everything: it has no slope left for the generator to learn from."""
    names = ("discriminator/made_up", "discriminator/real", "generator/passes")
    if any(name not in losses for name in names):  # one of the players has not moved yet
        return None
    made_up, real, passes = (losses[name] for name in names)
    if max(made_up, real) < SURE_DISCRIMINATOR and passes > HOPELESS_GENERATOR:
        return f"the discriminator wins: its losses are {made_up:.2f} and {real:.2f}, the generator's {passes:.1f}"
    return None


def perplexity(lines: Ragged, log10_probability: LogProbability) -> float:
    """Per phone, each line's end counted as one; infinite when nothing was said."""
    if not len(lines.flat):
        return float("inf")
    return float(10 ** (-log10_probability(lines).sum() / (len(lines.flat) + len(lines))))


def weighted_perplexity_per_batch(lines: Ragged, batch_size: int, log10_probability: LogProbability, phones: int) -> float:
    """The original's criterion as it computes it (Baevski et al. 2021): perplexity by the squared share of the phones used.

    lines: phones without silence. batch_size: its validation's, 160. phones: V; silence is one of them, so the share stays
    below 1. The share is counted in each batch of lines, the last being shorter, and averaged over the batches that say
    anything at all: with small or few batches the same phones score worse. Infinite when nothing was said.
    """
    row = np.repeat(np.arange(len(lines)), lines.lengths)
    used = np.unique(row // batch_size * phones + lines.flat)
    _, counts = np.unique(used // phones, return_counts=True)
    return perplexity(lines, log10_probability) / float(counts.mean() / phones) ** 2 if len(counts) else float("inf")


def agreement(labels: Sequence[Ragged], silence: int) -> np.ndarray:
    """How far each of M recognisers says what the others say: mean share over the others (M), 0 to 1; nan for one alone.

    labels: one per segment (N), of the very same segments. The share of two counts the segments in which they say the same
    phone among those in which at least one says any, so two that say nothing do not agree. Copies of one recogniser and
    recognisers with one warm start agree with each other, right or wrong.
    """
    if len(labels) == 1:
        return np.full(1, np.nan)
    said = np.stack([member.flat for member in labels])
    spoken = said != silence
    # Counting pair by pair is some ten times faster than a sum along an axis.
    alike = [[np.count_nonzero((one == other) & speaks) for other in said] for one, speaks in zip(said, spoken, strict=True)]
    either = [[np.count_nonzero(one | other) for other in spoken] for one in spoken]
    share = np.array(alike) / np.maximum(either, 1)
    return (share.sum(1) - share.diagonal()) / (len(said) - 1)


def disagreement(said: Ragged, labels: Ragged) -> float:
    """Edit operations that turn labels into what was said, by the number of labels. Phone ids, rows alike, without silence."""
    edits = sum(Levenshtein.distance(*map(np.ndarray.tolist, rows)) for rows in zip(said, labels, strict=True))
    return edits / max(1, len(labels.flat))


def tuning_score(lm_perplexity: float, disagreement: float, *, least_perplexity: float, least_disagreement: float) -> float:
    """How a decoding with one choice of weights is judged without labels, lower being better (Baevski et al. 2021, section 4.3).

    Log perplexity of what was decoded times its ``disagreement`` with the labels that the weights are tuned on: a language
    model that is trusted too little leaves the one high, one that is trusted too much the other. The floors keep the product
    from being won by sentences of one frequent word, or by repeating the labels.
    """
    return float(np.log(max(lm_perplexity, least_perplexity)) * max(disagreement, least_disagreement))


def combine(rows: Sequence[Mapping[str, float]], weights: Mapping[str, float]) -> np.ndarray:
    """One number per row, lower being better: the weighted sum of its ``TERMS``.

    It depends on no other row, so numbers of different members and validations can be compared. A row with a measure that
    is not a number gets infinity; what has no weight is not looked at.

    Raises:
        WavuError: the weights name a measure that a row lacks.
    """
    weighed = {name: weight for name, weight in weights.items() if weight}
    missing = [name for name in weighed if any(name not in row for row in rows)]
    if missing:
        raise WavuError(f"selection weighs '{missing[0]}', which was not measured here; set its weight to 0")
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = [weight * TERMS[name](np.array([row[name] for row in rows], float)) for name, weight in weighed.items()]
        total = sum(terms)  # one after another: numpy would round a sum of many rows and that of one row differently
    return np.where(np.isnan(total), np.inf, total)


def divergence(p: np.ndarray, q: np.ndarray) -> float:
    """Jensen-Shannon divergence of two distributions in bits, 0 (equal) to 1 (nothing in common).

    >>> divergence(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    1.0
    """
    mean = (p + q) / 2
    parts = [side[side > 0] * np.log2(side[side > 0] / mean[side > 0]) for side in (p, q)]
    return float(sum(part.sum() for part in parts) / 2)


def _frequencies(lines: Ragged, n: int, phones: int) -> Frequencies:
    """The n-grams within lines."""
    count = max(0, len(lines.flat) - n + 1)
    codes = np.zeros(count, np.int64)
    for shift in range(n):
        codes = codes * phones + lines.flat[shift : shift + count]
    row = np.repeat(np.arange(len(lines)), lines.lengths)
    keys, counts = np.unique(codes[row[:count] == row[n - 1 :]], return_counts=True)
    return keys, counts / max(1, counts.sum())


def _apart(found: Frequencies, known: Frequencies) -> float:
    """Divergence of two sets of n-grams, fast where few are found and many known; 1 when just one of the sets is empty."""
    (keys, p), (known_keys, known_shares) = found, known
    if not len(keys) or not len(known_keys):
        return float(len(keys) != len(known_keys))
    places = np.searchsorted(known_keys, keys).clip(max=len(known_keys) - 1)
    q = np.where(known_keys[places] == keys, known_shares[places], 0.0)
    # Known n-grams that were not found add the half of their shares, as one n-gram with all of their shares would.
    return divergence(np.append(p, 0.0), np.append(q, max(0.0, 1 - q.sum())))


def _enough(lengths: np.ndarray, sample: int) -> int:
    """How many of these lines hold about ``sample`` phones together, at most half of them and at least one."""
    return int(np.clip(np.searchsorted(lengths.cumsum(), sample) + 1, 1, max(1, len(lengths) // 2)))
