"""The terms of both players' losses, one number per member (M).

Baevski et al. 2021, Liu et al. 2022, and the original implementation where it departs from them. The original averages over
padding too; changed on purpose, unless ``padding_counts``: an utterance's loss must not depend on how long its neighbours are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from wavu.gan.discriminator import Critic
from wavu.gan.windows import inside, padded_to_longest


def called_made_up(scores: Tensor) -> Tensor:
    """Cross-entropy against the answer "made up", which is 1 as in the code, not 0 as in the paper: (M, B) -> (M)."""
    return F.softplus(-scores).mean(1)


def called_real(scores: Tensor) -> Tensor:
    """Cross-entropy against the answer "real", which is 0: (M, B) -> (M)."""
    return F.softplus(scores).mean(1)


def gradient_penalty(slope: Tensor, wanted: Tensor) -> Tensor:
    """How far the critic's slope between real and made-up phones is from the wanted one: (M).

    slope (M, B, L, V): derivative of its scores. wanted (M). The original wants 1; it never lets a generator rest, for it is
    pushed even where it is right. At 0 training converges near the answer (Mescheder, Geiger & Nowozin 2018), which is where
    a warm start begins.

    Reproduced: the norm is taken over TIME for each phone, not over the whole utterance, and the squares are summed over
    the V phones; the published weights 1.5 to 2 belong to this norm.
    """
    return (slope.norm(dim=2) - wanted[:, None, None]).square().sum(-1).mean(1)


def diversity(logits: Tensor, lengths: Tensor, *, padding_counts: bool) -> Tensor:
    """Share of the phones that the batch leaves unused, (V - perplexity of the mean distribution) / V: (M).

    logits (M, B, S, V), lengths (M, B). Reproduced: a perplexity, where the paper has an entropy.
    """
    V = logits.shape[-1]
    weights = inside(padded_to_longest(lengths) if padding_counts else lengths, logits.shape[2]).to(logits.dtype)
    # Not as a product of matrices, which autocast would round.
    mean = (logits.softmax(-1) * weights[..., None]).sum((1, 2)) / weights.sum((1, 2))[:, None]
    return 1 - torch.special.entr(mean).sum(-1).exp() / V


def smoothness(logits: Tensor, lengths: Tensor, *, padding_counts: bool) -> Tensor:
    """Mean squared difference of neighbouring outputs: (M).

    logits (M, B, S, V), lengths (M, B). Reproduced: of logits after JOIN, not of probabilities.
    """
    pairs = inside(lengths - 1, logits.shape[2] - 1)
    squares = (logits[:, :, 1:] - logits[:, :, :-1]).square().mean(-1) * pairs
    counted = (padded_to_longest(lengths) if padding_counts else lengths) - 1
    return squares.sum((1, 2)) / counted.clamp(min=0).sum(1).clamp(min=1)


def auxiliary(logits: Tensor, targets: Tensor, lengths: Tensor, *, padding_counts: bool) -> Tensor:
    """Cross-entropy of the guessed clusters of MFCCs (Liu et al. 2022): (M).

    logits (M, B, N, K'); targets (M, B, N) their true numbers, -1 beyond an utterance's end, and lengths (M, B).
    """
    each = F.cross_entropy(logits.flatten(0, 2), targets.flatten(), ignore_index=-1, reduction="none").view(targets.shape)
    return each.sum((1, 2)) / (padded_to_longest(lengths) if padding_counts else lengths).sum(1)


@dataclass(frozen=True)
class Judged:
    """What a discriminator's terms are computed from, beside its two answers.

    between (M, B, L, V), lengths (M, B): mixtures of real and made-up phones, as ``critic`` has heard them, up to the end of the
    shorter. settings: the members' own of ``loss.``, by name (M).
    """

    critic: Critic
    between: Tensor
    lengths: Tensor
    settings: Mapping[str, Tensor]


@dataclass(frozen=True)
class MadeUp:
    """What a generator's terms are computed from, beside the discriminator's answer.

    logits (M, B, S, V), lengths (M, B): after JOIN. guesses (M, B, N, K'), targets (M, B, N), heard (M, B): of the auxiliary
    targets, where there are any, and how many inputs there were.
    """

    logits: Tensor
    lengths: Tensor
    guesses: Tensor | None
    targets: Tensor | None
    heard: Tensor
    padding_counts: bool


# All terms that have a weight, which the setting of the same name in wavu.settings.gan.Loss gives; None: nothing to compute.
DISCRIMINATOR_TERMS: dict[str, Callable[[Judged], Tensor | None]] = {
    "gradient_penalty": lambda it: gradient_penalty(it.critic.slope(it.between, it.lengths), it.settings["slope"]),
}
GENERATOR_TERMS: dict[str, Callable[[MadeUp], Tensor | None]] = {
    "diversity": lambda it: diversity(it.logits, it.lengths, padding_counts=it.padding_counts),
    "smoothness": lambda it: smoothness(it.logits, it.lengths, padding_counts=it.padding_counts),
    "auxiliary": lambda it: (
        None
        if it.guesses is None or it.targets is None
        else auxiliary(it.guesses, it.targets, it.heard, padding_counts=it.padding_counts)
    ),
}
