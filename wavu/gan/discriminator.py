"""Phones in, one score of strangeness out: three causal convolutions, one GELU between the last two, mean over time.

wav2vec-U, Baevski et al. 2021. All M members are stacked. Letters: M members, B utterances, L phones of a line, V phones,
C channels, k taps of one convolution, T = 2k - 1 taps of the first two together.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function

from wavu.gan.noise import Noise
from wavu.gan.windows import overlap_add, windows


@dataclass(frozen=True)
class Critic:
    """The discriminator as it is used: two convolutions multiplied out into one, then GELU, convolution, mean over time.

    kernel (M, T, V, C), bias (M, k, C) at the first k - 1 positions and everywhere else, last (M, C, k), offset (M).

    Phones pass in two halves, for all before the GELU is linear: a mixture of two lines has the same mixture as its hidden
    values, which nobody needs to compute again.
    """

    kernel: Tensor
    bias: Tensor
    last: Tensor
    offset: Tensor

    def hear(self, phones: Tensor) -> Tensor:
        """Probabilities of phones (M, B, L, V) -> hidden values before the GELU (M, B, L, C)."""
        M, B, L, _ = phones.shape
        around = windows(phones, self.kernel.shape[1], before=self.kernel.shape[1] - 1, stride=1)
        hidden = around.view(M, B * L, -1) @ self.kernel.flatten(1, 2)
        return hidden.view(M, B, L, -1) + self._bias(L)

    def read(self, phones: Tensor) -> Tensor:
        """Numbers of phones (M, B, L), -1 beyond a line's end -> the hidden values of these phones as one-hot vectors."""
        return _Read.apply(phones, self.kernel) + self._bias(phones.shape[2])

    def score(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """Hidden values of lines with ``lengths`` (M, B) -> scores (M, B); positive means made up.

        What stands beyond a line's end changes nothing.
        """
        M, B, L, _ = hidden.shape
        carried = (F.gelu(hidden).flatten(1, 2) @ self.last).view(M, B, L, -1)
        return (carried * self._lands(lengths, L)).sum((2, 3)) / lengths + self.offset[:, None]

    def slope(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """The derivative of the scores with respect to the phones they are for: (M, B, L, V).

        Written out, so that a loss made of it is differentiated once, like any other: nothing has to be differentiated twice.
        """
        M, B, L, _ = hidden.shape
        landing = self._lands(lengths, L) / lengths[..., None, None]
        after = (landing.view(M, B * L, -1) @ self.last.transpose(1, 2)).view_as(hidden)
        before = _GeluSlope.apply(hidden, after.to(hidden.dtype))
        columns = before.flatten(1, 2) @ self.kernel.flatten(1, 2).transpose(1, 2)  # (M, B L, C) x (M, C, T V)
        return overlap_add(columns.view(M, B, L, *self.kernel.shape[1:3]), before=self.kernel.shape[1] - 1)

    def __call__(self, phones: Tensor, lengths: Tensor) -> Tensor:
        """Probabilities of phones (M, B, L, V) -> scores (M, B)."""
        return self.score(self.hear(phones), lengths)

    def _bias(self, length: int) -> Tensor:
        positions = torch.arange(length, device=self.bias.device).clamp(max=self.bias.shape[1] - 1)
        return self.bias[:, None, positions]

    def _lands(self, lengths: Tensor, size: int) -> Tensor:
        """Tap i of the last convolution carries position t to t + k - 1 - i: whether that is inside (M, B, L, k) 0 or 1."""
        k = self.last.shape[-1]
        positions, ahead = (torch.arange(count, device=lengths.device) for count in (size, k))
        return (positions[:, None] + (k - 1 - ahead) < lengths[..., None, None]).to(self.last.dtype)


class Discriminator(nn.Module):
    """The weights of M discriminators as the original has them."""

    def __init__(self, noise: Noise, *, phones: int, channels: int, kernel: int) -> None:
        super().__init__()
        self.first = nn.Parameter(noise.weights(channels, phones, kernel))
        self.first_bias = nn.Parameter(noise.weights(channels, fan_in=phones * kernel))
        self.second = nn.Parameter(noise.weights(channels, channels, kernel))
        self.second_bias = nn.Parameter(noise.weights(channels, fan_in=channels * kernel))
        self.last = nn.Parameter(noise.weights(channels, kernel, fan_in=channels * kernel))
        self.offset = nn.Parameter(noise.weights(fan_in=channels * kernel))

    def critic(self) -> Critic:
        """The function these weights stand for, to be called on as many batches as wanted.

        No nonlinearity separates the first two convolutions (reproduced), so their product is computed once, which
        leaves a quarter of the arithmetic: k C C per position become (2k - 1) C V. Causal zeros keep the first bias from
        reaching the first k - 1 positions in full, hence a bias for each of them.
        """
        M, C, V, k = self.first.shape
        products = self.second.permute(0, 3, 1, 2).flatten(1, 2) @ self.first.transpose(2, 3).flatten(2)
        products = products.view(M, k, C, k * V).transpose(2, 3).flatten(2)  # (M, k C, k V) -> (M, k, k V C)
        # Tap i of the second and j of the first meet at i + j.
        kernel = sum(F.pad(products[:, i], (i * V * C, (k - 1 - i) * V * C)) for i in range(k))
        reached = self.second.flip(-1).cumsum(-1)  # the last tap answers for now, the first for k - 1 positions ago
        bias = torch.einsum("moik,mi->mko", reached, self.first_bias) + self.second_bias[:, None]
        return Critic(kernel.view(M, 2 * k - 1, V, C), bias, self.last, self.offset)

    def forward(self, phones: Tensor, lengths: Tensor) -> Tensor:
        """See :class:`Critic`."""
        return self.critic()(phones, lengths)


class _Read(Function):
    """Windows of one-hot vectors times a kernel: forward as a sum of the kernel's rows, backward as the product it is.

    The sum is several times faster than the product; its own derivative, one addition per row, is slower than the product.
    """

    @staticmethod
    def forward(ctx: Any, phones: Tensor, kernel: Tensor) -> Tensor:
        M, T, V, C = kernel.shape
        ctx.save_for_backward(phones)
        ctx.kernel = kernel.shape
        around = F.pad(phones, (T - 1, 0), value=-1).unfold(2, T, 1)  # (M, B, L) -> (M, B, L, T)
        rows = (
            around
            + V * torch.arange(T, device=phones.device)
            + T * V * torch.arange(M, device=phones.device)[:, None, None, None]
        )
        nothing = M * T * V
        table = F.pad(kernel.reshape(nothing, C), (0, 0, 0, 1))
        rows = torch.where(around < 0, nothing, rows)
        return F.embedding_bag(rows.reshape(-1, T), table, mode="sum").view(*phones.shape, C)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        (phones,) = ctx.saved_tensors
        M, T, V, C = ctx.kernel
        one_hot = (phones[..., None] == torch.arange(V, device=phones.device)).to(gradient.dtype)
        around = windows(one_hot, T, before=T - 1, stride=1).view(M, -1, T * V)
        return None, (around.transpose(1, 2) @ gradient.reshape(M, -1, C)).view(M, T, V, C)


class _GeluSlope(Function):
    """(h, v) -> v GELU'(h), with GELU'(h) = Phi(h) + h phi(h) and GELU''(h) = phi(h) (2 - h^2)."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, after: Tensor) -> Tensor:
        ctx.save_for_backward(hidden, after)
        return torch.ops.aten.gelu_backward(after, hidden)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        hidden, after = ctx.saved_tensors
        square = hidden * hidden
        curvature = torch.exp(-0.5 * square).mul_((2 * torch.pi) ** -0.5).mul_(2 - square)
        return curvature.mul_(after).mul_(gradient), torch.ops.aten.gelu_backward(gradient.contiguous(), hidden)
