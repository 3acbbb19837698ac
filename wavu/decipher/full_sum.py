"""From half-right names of segments to better ones: every segment is one phone of the text as the channel lets it through.

As a segment is one symbol, the rate of phones cannot collapse, which it does in an HMM over frames. A weak classifier of
segments and a trigram of the text that went through the channel take turns: forward and backward sum over all that could have
been said, and the classifier learns anew from the posteriors (Baum-Welch with a shared covariance).
Shapes: S segments, D dims of their white features, V phones.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wavu.decipher import hmm
from wavu.decipher.classifier import Classifier
from wavu.decipher.grammar import Grammar
from wavu.ragged import Ragged


@dataclass(frozen=True)
class Scored:
    """Segments whose log likelihood (S, V) is known, as :class:`wavu.decipher.hmm.Sounds`; what is heard are their numbers (S)."""

    scores: Tensor

    @property
    def stay(self) -> Tensor:
        """A phone is one segment: it never stays. (V, 1)"""
        return torch.zeros(self.scores.shape[1], 1)

    def log_likelihood(self, heard: Ragged) -> Tensor:
        """See ``hmm.Sounds``."""
        return self.scores[torch.from_numpy(np.asarray(heard.flat))]


def posteriors(scores: Tensor, grammar: Grammar, offsets: np.ndarray) -> tuple[Tensor, float]:
    """Posterior (S, V) of each segment's phone, given all of its utterance, and the log likelihood per segment."""
    found = torch.zeros_like(scores)

    def learn(heard: Ragged, occupied: Tensor) -> None:
        found[torch.from_numpy(np.asarray(heard.flat))] = occupied.to(found)

    _, log_likelihood = hmm.expect(Scored(scores), grammar, Ragged(np.arange(len(scores)), offsets), learn)
    return found, log_likelihood


def full_sum(
    features: Tensor,
    shares: Tensor,
    grammar: Grammar,
    offsets: np.ndarray,
    *,
    rounds: int,
    exponent: float,
    shrinkage: float,
    report: Callable[[float], None] = lambda value: None,
) -> tuple[Tensor, float]:
    """Posteriors (S, V) after so many rounds, and the log likelihood per segment in the last.

    features (S, D): white. shares (S, V): what is believed of each segment to begin with. exponent: of the density of a
    segment, whose dims are far from independent. shrinkage: see ``Classifier.fit``.
    """
    log_likelihood = float("-inf")
    for _ in range(rounds):
        scores = exponent * Classifier.fit(features, shares, shrinkage=shrinkage).log_likelihood(features)
        # Less what a segment scores on average: sums over utterances can then be compared, whatever the features.
        scores = scores - scores.logsumexp(1, keepdim=True)
        shares, log_likelihood = posteriors(scores, grammar, offsets)
        report(log_likelihood)
    return shares, log_likelihood
