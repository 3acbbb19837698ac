"""A generator that already says what somebody else's labels say: logistic regression from its windows to the labels."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wavu.gan.batches import padded, resident
from wavu.gan.windows import windows
from wavu.ragged import Ragged


def initial_kernel(
    hidden: Callable[[Tensor, Tensor], Tensor],
    inputs: Ragged,
    labels: Ragged,
    *,
    phones: int,
    taps: int,
    stride: int,
    ridge: float,
    iterations: int,
    examples: int,
    confidence: float,
    seed: int,
) -> Tensor:
    """The generator kernel (V, d, k) that best predicts labels (S) int16, one per output, from segments or frames (N, d).

    hidden: what the generator's convolution sees of inputs (1, B, N, d) with lengths (1, B). phones: V. taps: k. ridge:
    weight of the squared kernel beside the mean cross-entropy, with inputs scaled to variance 1. iterations: of L-BFGS.
    examples: about so many outputs are looked at, drawn by seed. confidence: the kernel is scaled up until the softmax gives
    its best phone this probability on average: labels with errors leave it unsure, and a discriminator used to one-hot text
    would see nothing but that.
    """
    order = np.random.default_rng(seed).permutation(len(inputs))
    chosen = order[: np.searchsorted(labels.lengths[order].cumsum(), examples) + 1]
    flat, offsets = resident(inputs.flat, torch.device("cpu")), torch.from_numpy(inputs.offsets)
    rows, lengths = padded(flat, offsets, torch.from_numpy(chosen), int(inputs.lengths[chosen].max()))
    seen = hidden(rows.float()[None], lengths[None]).detach()
    around = windows(seen, taps, before=taps // 2, stride=stride)[0]
    valid = torch.arange(around.shape[1]) < torch.from_numpy(labels.lengths[chosen])[:, None]
    examples_seen = around[valid].flatten(1)  # (N, k d)
    scale = examples_seen.square().mean().sqrt().clamp(min=1e-12)
    targets = torch.from_numpy(labels.take(chosen).flat).long()
    weights = _regress(examples_seen / scale, targets, phones, ridge, iterations) / scale
    weights *= _sharpening(examples_seen @ weights.T, confidence)
    return weights.view(phones, taps, -1).transpose(1, 2).contiguous()


def most_common(labels: Ragged, starts: Ragged) -> Ragged:
    """The label that most frames of each segment have: labels (N) of frames, starts (S) first frame of each segment -> (S)."""
    firsts = starts.flat + np.repeat(labels.offsets[:-1], starts.lengths)
    segment = np.repeat(np.arange(len(firsts)), np.diff(firsts, append=len(labels.flat)))
    codes, counts = np.unique(segment * (int(labels.flat.max()) + 1) + labels.flat, return_counts=True)
    owner, value = np.divmod(codes, int(labels.flat.max()) + 1)
    order = np.lexsort((-value, counts, owner))  # the most frequent of each segment last, of equals the lowest
    last = np.flatnonzero(np.append(owner[order][1:] != owner[order][:-1], True))
    return Ragged(value[order][last].astype(np.int16), starts.offsets)


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
