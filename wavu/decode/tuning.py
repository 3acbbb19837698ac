"""Weights of the word search without labels: each is tried in turn, and a judge who has seen no label says which are better.

What is judged is up to the caller; wavu.selection.tuning_score is the original's (Baevski et al. 2021, section 4.3).
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from wavu.decode.words import WordDecoder
from wavu.errors import WavuError
from wavu.ragged import Ragged

WEIGHTS = ("acoustic_scale", "lm_weight", "word_score", "silence_score")
Judge = Callable[[Ragged, Ragged], float]  # words and phones of B utterances -> a score, lower being better


class NothingSaid(WavuError):
    """No weights could be judged, as under none of them anything was said."""


def tune(
    decoder: WordDecoder,
    scores: Sequence[np.ndarray],
    judge: Judge,
    *,
    grid: Mapping[str, Sequence[float]],
    report: Callable[[dict], None] = lambda row: None,
) -> tuple[dict[str, float], list[dict]]:
    """The best weights found for B utterances, and a row for each that was tried: the weights and their ``score``.

    grid: the values to try of each weight; all others stay as the decoder has them, and it is where the search starts.
    Weights are moved one at a time, each to the best of its values, until none moves. As only the proportions of the four
    matter, one of them, best lm_weight, needs no values.

    Raises:
        WavuError: the grid names no weight, or has no values. NothingSaid: nothing was said under any weights.
    """
    _check(grid)
    weights = {name: float(getattr(decoder, name)) for name in WEIGHTS}
    tried: dict[tuple[float, ...], dict] = {}

    def score_of(weights: dict[str, float]) -> float:
        key = tuple(weights.values())
        if key not in tried:
            tried[key] = weights | {"score": judge(*_said(decoder.reweighted(**weights), scores))}
            report(tried[key])
        return tried[key]["score"]

    before = None
    while weights != before:
        before = weights
        for name, values in grid.items():
            weights = min([weights, *(weights | {name: float(value)} for value in values)], key=score_of)
    if not np.isfinite(score_of(weights)):
        raise NothingSaid("no weights of the word search could be judged: nothing was said under any; is the speech silent?")
    return weights, list(tried.values())


def _check(grid: Mapping[str, Sequence[float]]) -> None:
    for name, values in grid.items():
        if name not in WEIGHTS:
            raise WavuError(f"'{name}' is no weight of the word search; known: {', '.join(WEIGHTS)}")
        if not len(values):
            raise WavuError(f"no values to try for {name}; leave it out to keep it as it is")


def _said(decoder: WordDecoder, scores: Sequence[np.ndarray]) -> tuple[Ragged, Ragged]:
    """Words and phones (B rows each) that the decoder finds."""
    found = [decoder.decode(each) for each in scores]
    words = Ragged.of([np.array([word.word for word in each], int) for each in found], np.int32)
    return words, Ragged.of([decoder.phones(each) for each in found], np.int16)
