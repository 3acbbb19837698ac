"""The terms of both players' losses, one number per member (M), exactly as the original computes them but for the padding.

Baevski et al. 2021, and the original implementation where it departs from it. The original averages over padding too;
changed on purpose: an utterance's loss must not depend on how long its neighbours are.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from wavu.gan.model import Critic, inside


def called_made_up(scores: Tensor) -> Tensor:
    """Cross-entropy against the answer "made up", which is 1 as in the code, not 0 as in the paper: (M, B) -> (M)."""
    return F.softplus(-scores).mean(1)


def called_real(scores: Tensor) -> Tensor:
    """Cross-entropy against the answer "real", which is 0: (M, B) -> (M)."""
    return F.softplus(scores).mean(1)


def gradient_penalty(critic: Critic, real: Tensor, made: Tensor, lengths: Tensor, mix: Tensor, *, slope: float) -> Tensor:
    """How far the critic's slope between real and made-up phones is from the wanted one: (M).

    real (M, B, L, V), made (M, B, S, V), mix (M, B) in [0, 1] share of the real; lengths (M, B) of the shorter of both.
    slope: the wanted one. The original has 1; it never lets a generator rest, for it is pushed even where it is right. At 0
    training converges near the answer (Mescheder, Geiger & Nowozin 2018), which is where a warm start begins.

    Reproduced: the norm is taken over TIME for each phone, not over the whole utterance, and the squares are summed over
    the V phones; the published weights 1.5 to 2 belong to this norm. Changed: cut at the end of the shorter of each pair
    instead of the shorter of the two padded batches, so that no padding is judged; nothing flows back to the generator.
    """
    size = min(real.shape[2], made.shape[2])
    share = mix[..., None, None]
    between = (share * real[:, :, :size] + (1 - share) * made[:, :, :size]).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between, lengths).sum(), between, create_graph=True)
    return (gradient.norm(dim=2) - slope).square().sum(-1).mean(1)


def diversity(logits: Tensor, lengths: Tensor) -> Tensor:
    """Share of the phones that the batch leaves unused, (V - perplexity of the mean distribution) / V: (M).

    logits (M, B, S, V), lengths (M, B). Reproduced: a perplexity, where the paper has an entropy.
    """
    V = logits.shape[-1]
    weights = inside(lengths, logits.shape[2]).to(logits.dtype)
    mean = torch.einsum("mbsv,mbs->mv", logits.softmax(-1), weights) / weights.sum((1, 2))[:, None]
    return 1 - torch.special.entr(mean).sum(-1).exp() / V


def smoothness(logits: Tensor, lengths: Tensor) -> Tensor:
    """Mean squared difference of neighbouring outputs: (M).

    logits (M, B, S, V), lengths (M, B). Reproduced: of logits after JOIN, not of probabilities.
    """
    pairs = inside(lengths - 1, logits.shape[2] - 1)
    squares = (logits[:, :, 1:] - logits[:, :, :-1]).square().mean(-1) * pairs
    return squares.sum((1, 2)) / pairs.sum((1, 2)).clamp(min=1)
