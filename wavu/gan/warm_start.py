"""A generator that already says what somebody else's labels say: logistic regression from its windows to the labels."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wavu.gan.batches import padded
from wavu.gan.model import windows
from wavu.store import Ragged


def initial_generator(
    segments: Ragged,
    labels: Ragged,
    *,
    phones: int,
    taps: int,
    ridge: float,
    iterations: int,
    examples: int,
    confidence: float,
    seed: int,
) -> Tensor:
    """The generator kernel (V, d, k) that best predicts labels (S) int16 from segments (S, d).

    phones: V. taps: k. ridge: weight of the squared kernel beside the mean cross-entropy, with inputs scaled to variance 1.
    iterations: of L-BFGS. examples: about so many segments are looked at, drawn by seed. confidence: the kernel is scaled
    up until the softmax gives its best phone this probability on average: labels with errors leave it unsure, and a
    discriminator used to one-hot text would see nothing but that.
    """
    order = np.random.default_rng(seed).permutation(len(segments))
    chosen = order[: np.searchsorted(segments.lengths[order].cumsum(), examples) + 1]
    rows, lengths = padded(torch.from_numpy(np.array(segments.flat)), segments.offsets, chosen)
    dim, valid = rows.shape[-1], torch.arange(rows.shape[1]) < lengths[:, None]
    inputs = windows(rows.float()[None], taps, before=taps // 2)[0][valid]  # (N, d k)
    targets = torch.from_numpy(labels.take(chosen).flat).long()
    scale = inputs.square().mean().sqrt().clamp(min=1e-12)
    weights = _regress(inputs / scale, targets, phones, ridge, iterations) / scale
    return (weights * _sharpening(inputs @ weights.T, confidence)).view(phones, dim, taps)


def _regress(inputs: Tensor, targets: Tensor, phones: int, ridge: float, iterations: int) -> Tensor:
    """Multinomial logistic regression without intercept, as the generator has none: (N, D), (N) -> (V, D)."""
    weights = torch.zeros(phones, inputs.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=iterations, history_size=10, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(inputs @ weights.T, targets) + ridge * weights.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return weights.detach()


def _sharpening(logits: Tensor, confidence: float) -> float:
    """The factor, 1 to 100, by which logits (N, V) give their best phone the wanted mean probability; by bisection."""
    low, high = 1.0, 100.0
    while high / low > 1.01:
        middle = (low * high) ** 0.5
        unsure = (middle * logits).softmax(-1).max(-1).values.mean() < confidence
        low, high = (middle, high) if unsure else (low, middle)
    return low
