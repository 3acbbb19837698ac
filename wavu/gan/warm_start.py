"""A generator that already says what somebody else's labels say: logistic regression from its windows to the labels."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wavu.gan.batches import padded
from wavu.gan.model import convolve
from wavu.store import Ragged


def initial_generator(
    segments: Ragged, labels: Ragged, *, phones: int, kernel: int, ridge: float, iterations: int, utterances: int, seed: int
) -> Tensor:
    """The generator kernel (V, d, k) that best predicts labels (S) int16 from segments (S, d).

    phones: V. kernel: k taps. ridge: weight of the squared kernel beside the mean cross-entropy; it keeps the softmax from
    being surer than the labels deserve, so that the GAN can still change its mind. iterations: of L-BFGS. utterances: at most so many
    are looked at, drawn by seed.
    """
    chosen = np.random.default_rng(seed).permutation(len(segments))[:utterances]
    rows, lengths = padded(torch.from_numpy(np.array(segments.flat)), segments.offsets, chosen)
    targets = torch.from_numpy(labels.take(chosen).flat).long()
    valid = torch.arange(rows.shape[1]) < lengths[:, None]
    # Windows by the identity kernel: output (i, j) is dim i at tap j, so a linear layer on windows is the generator.
    dim = rows.shape[-1]
    identity = torch.eye(dim * kernel).view(1, dim * kernel, dim, kernel)
    windows = torch.cat(
        [
            convolve(part.float()[None], identity, before=kernel // 2)[0][mask]
            for part, mask in zip(rows.split(64), valid.split(64), strict=True)
        ]
    )
    weights = _regress(windows, targets, phones, ridge, iterations)
    return weights.view(phones, dim, kernel)


def _regress(inputs: Tensor, targets: Tensor, phones: int, ridge: float, iterations: int) -> Tensor:
    """Multinomial logistic regression without intercept, as the generator has none: (N, D), (N) -> (V, D)."""
    # One scale for all inputs, so that ridge means the same whatever the encoder's units are.
    scale = inputs.square().mean().sqrt().clamp(min=1e-12)
    inputs = inputs / scale
    weights = torch.zeros(phones, inputs.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=iterations, history_size=10, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(inputs @ weights.T, targets) + ridge * weights.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return weights.detach() / scale
