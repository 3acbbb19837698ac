"""Segments in, phones out (generator, JOIN); phones in, one score of strangeness out (discriminator).

wav2vec-U 1.0, Baevski et al. 2021. All M members are stacked: parameters, activations and scores lead with M.
Letters: M members, B utterances, S segments, d dims, V phones, L phones of a line, C channels, k taps.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wavu.errors import WavuError
from wavu.gan.noise import Noise


def windows(rows: Tensor, taps: int, *, before: int) -> Tensor:
    """The ``taps`` rows around each row, side by side: (M, B, L, c) -> (M, B, L, c * taps), zeros outside the utterance.

    before: how many of the taps lie before the row they answer for.
    """
    around = F.pad(rows, (0, 0, before, taps - 1 - before)).unfold(2, taps, 1)  # (M, B, L + k - 1, c) -> (M, B, L, c, k)
    return around.flatten(3)


def convolve(rows: Tensor, kernel: Tensor, *, before: int) -> Tensor:
    """A convolution over time of M networks at once: rows (M, B, L, c), kernel (M, o, c, k) -> (M, B, L, o).

    Windows and one matrix product per member: on a CPU faster than grouped convolution, most of all in the double backward.
    """
    M, B, L, _ = rows.shape
    flat = windows(rows, kernel.shape[-1], before=before).flatten(1, 2)  # (M, B, L, c k) -> (M, B L, c k)
    return (flat @ kernel.flatten(2).transpose(1, 2)).view(M, B, L, -1)


def inside(lengths: Tensor, size: int) -> Tensor:
    """Which of ``size`` positions belong to rows of the given lengths: (...) -> (..., size) bool."""
    return torch.arange(size, device=lengths.device) < lengths[..., None]


class Generator(nn.Module):
    """Segments -> phone logits: input dropout and one convolution without bias."""

    def __init__(self, kernel: Tensor, *, dropout: float) -> None:
        """``kernel`` (M, V, d, k); ``dropout``: share of the input set to zero in training."""
        super().__init__()
        self.kernel = nn.Parameter(kernel)
        self.dropout = dropout

    @classmethod
    def drawn(cls, noise: Noise, *, phones: int, dim: int, kernel: int, dropout: float) -> "Generator":
        """A generator with random weights."""
        return cls(_weights(noise, phones, dim, kernel), dropout=dropout)

    def forward(self, segments: Tensor, noise: Noise | None = None) -> Tensor:
        """Segments (M or 1, B, S, d), zero beyond an utterance's end -> logits (M, B, S, V).

        noise: given in training, for the dropout; left out in evaluation.

        The original pads so that S segments give S + 1 outputs. Changed on purpose: output s sees segments
        s - k/2 ... s + k/2 - 1, and the extra one is left away, for every segment gets exactly one label.

        Raises:
            WavuError: the segments have another number of dims than the generator was made for.
        """
        M, _, dim, k = self.kernel.shape
        if segments.shape[-1] != dim:
            raise WavuError(
                f"expected segments (S, {dim}) to match the generator, got (S, {segments.shape[-1]}); was pca.dim changed?"
            )
        segments = segments.expand(M, -1, -1, -1)
        if noise is not None:
            B, S = segments.shape[1:3]
            keep = noise.uniform(S, B, dim).transpose(1, 2) >= self.dropout  # (M, S, B, d) -> (M, B, S, d)
            segments = segments * keep / (1 - self.dropout)
        return convolve(segments, self.kernel, before=k // 2)


def join(logits: Tensor, lengths: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
    """JOIN: each run of segments with the same best phone becomes one output.

    logits (M, B, S, V), lengths (M, B) -> joined logits (M, B, S, V), zero beyond the runs, and their number (M, B).

    noise: given in training, where a run becomes the logits of ONE of its segments drawn uniformly (reproduced: its
    author reports that this trains better than the mean); in evaluation a run becomes the mean of its logits.
    """
    S = logits.shape[2]
    best = logits.argmax(-1)
    starts = inside(lengths, S)
    starts[..., 1:] &= best[..., 1:] != best[..., :-1]
    runs = starts.sum(-1)
    # Padding belongs to a run of its own, S, that is cut off.
    run = torch.where(inside(lengths, S), starts.cumsum(-1) - 1, S)
    sizes = run.new_zeros(*run.shape[:2], S + 1).scatter_add(-1, run, torch.ones_like(run))[..., :S]
    if noise is None:
        sums = logits.new_zeros(*run.shape[:2], S + 1, logits.shape[-1]).scatter_add(2, _wide(run, logits), logits)
        return sums[:, :, :S] / sizes.clamp(min=1)[..., None], runs
    first = sizes.cumsum(-1) - sizes
    drawn = noise.uniform(S, logits.shape[1]).transpose(1, 2)  # (M, S, B) -> (M, B, S)
    chosen = first + torch.minimum((drawn * sizes).long(), (sizes - 1).clamp(min=0))
    joined = logits.gather(2, _wide(chosen.clamp(max=S - 1), logits))
    return joined * inside(runs, S)[..., None], runs


def _wide(index: Tensor, like: Tensor) -> Tensor:
    """(M, B, S) -> (M, B, S, V), a view."""
    return index[..., None].expand(*index.shape, like.shape[-1])


@dataclass(frozen=True)
class Critic:
    """The discriminator as it is used: two convolutions multiplied out into one, then GELU, convolution, mean over time.

    kernel (M, C, V, 2k - 1), bias (M, k, C) at the first k - 1 positions and everywhere else, last (M, C, k), offset (M).
    """

    kernel: Tensor
    bias: Tensor
    last: Tensor
    offset: Tensor

    def __call__(self, phones: Tensor, lengths: Tensor) -> Tensor:
        """Phone probabilities (M, B, L, V) of utterances with ``lengths`` (M, B) -> scores (M, B); positive means made up.

        What stands beyond an utterance's end changes nothing.
        """
        M, B, L, _ = phones.shape
        k = self.last.shape[-1]
        time = torch.arange(L, device=phones.device)
        hidden = convolve(phones, self.kernel, before=2 * k - 2) + self.bias[:, None, time.clamp(max=k - 1)]
        # Tap i of the last convolution carries position t to t + k - 1 - i; the mean sums those that land inside.
        carried = (F.gelu(hidden).flatten(1, 2) @ self.last).view(M, B, L, k)
        lands = time[:, None] + torch.arange(k - 1, -1, -1, device=phones.device) < lengths[..., None, None]
        return (carried * lands).sum((2, 3)) / lengths + self.offset[:, None]


class Discriminator(nn.Module):
    """Phones -> score: three causal convolutions, one GELU between the second and the third, mean over time."""

    def __init__(self, noise: Noise, *, phones: int, channels: int, kernel: int) -> None:
        super().__init__()
        self.first = nn.Parameter(_weights(noise, channels, phones, kernel))
        self.first_bias = nn.Parameter(_weights(noise, channels, fan_in=phones * kernel))
        self.second = nn.Parameter(_weights(noise, channels, channels, kernel))
        self.second_bias = nn.Parameter(_weights(noise, channels, fan_in=channels * kernel))
        self.last = nn.Parameter(_weights(noise, channels, kernel))
        self.offset = nn.Parameter(_weights(noise, fan_in=channels * kernel))

    def critic(self) -> Critic:
        """The function these weights stand for, to be called on as many batches as wanted.

        No nonlinearity separates the first two convolutions (reproduced), so their product is computed once, which
        leaves a quarter of the arithmetic: k C C per position become (2k - 1) C V. Causal zeros keep the first bias from
        reaching the first k - 1 positions in full, hence a bias for each of them.
        """
        M, C, V, k = self.first.shape
        products = self.second.transpose(2, 3).flatten(1, 2) @ self.first.flatten(2)  # (M, C, k, C) x (M, C, V, k)
        products = products.view(M, C, k, V, k).transpose(2, 3)
        # Tap i of the second and j of the first meet at i + j: rows one longer than the result slide apart by one each.
        slid = F.pad(products, (0, k)).flatten(3)[..., :-k].view(M, C, V, k, 2 * k - 1)
        reached = self.second.flip(-1).cumsum(-1)  # the last tap answers for now, the first for k - 1 positions ago
        bias = torch.einsum("moik,mi->mko", reached, self.first_bias) + self.second_bias[:, None]
        return Critic(slid.sum(3), bias, self.last, self.offset)

    def forward(self, phones: Tensor, lengths: Tensor) -> Tensor:
        """See :class:`Critic`."""
        return self.critic()(phones, lengths)


def _weights(noise: Noise, *shape: int, fan_in: int | None = None) -> Tensor:
    """Uniform in +-1 / sqrt(fan_in), (M, *shape): what torch's convolutions start from. fan_in: inputs of one output."""
    if fan_in is None:
        fan_in = torch.Size(shape[1:]).numel() if len(shape) > 2 else torch.Size(shape).numel()
    return (2 * noise.uniform(*shape) - 1) / fan_in**0.5
