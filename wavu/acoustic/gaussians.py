"""Mixtures of diagonal gaussians, one for each sub-state, scored by one product of matrices.

Shapes: N frames of D dims, S sub-states, G gaussians in each.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

# Frames are compared with so many gaussians, one by one, at a time: 256 MB.
_CHUNK_FLOATS = 2**26
_SPREAD = 0.2  # standard deviations that the halves of a gaussian are moved apart to either side, as in HTK and Kaldi


@dataclass(frozen=True)
class Mixtures:
    """weight (S, G), summing to one in each sub-state; mean and variance (S, G, D)."""

    weight: Tensor
    mean: Tensor
    variance: Tensor

    def log_likelihood(self, frames: Tensor) -> Tensor:
        """Natural log density of frames (N, D) in each sub-state, (N, S)."""
        return torch.cat([self.by_gaussian(chunk).logsumexp(-1) for chunk in frames.split(self.chunk)])

    def by_gaussian(self, frames: Tensor) -> Tensor:
        """Natural log of the weighted density of frames (N, D) in each gaussian, (N, S, G)."""
        mean, precision = self.mean.flatten(0, 1), 1 / self.variance.flatten(0, 1)
        constant = (mean.square() * precision - torch.log(precision / (2 * torch.pi))).sum(-1)
        distance = frames.square() @ precision.T - 2 * frames @ (mean * precision).T + constant
        return self.weight.clamp(min=1e-30).log() - 0.5 * distance.view(-1, *self.weight.shape)

    @property
    def chunk(self) -> int:
        """How many frames to look at at a time."""
        return max(1, _CHUNK_FLOATS // self.weight.numel())

    def silenced(self, never: Tensor) -> "Mixtures":
        """Sub-states that no frame was ever in (S) bool are never heard: as averages of all they would take what is unclear."""
        return Mixtures(torch.where(never[:, None], 0.0, self.weight), self.mean, self.variance)

    def split(self) -> "Mixtures":
        """Twice as many gaussians: the halves of each move apart."""
        shift = _SPREAD * self.variance.sqrt()
        weight, variance = torch.cat([self.weight, self.weight], 1) / 2, torch.cat([self.variance, self.variance], 1)
        return Mixtures(weight, torch.cat([self.mean - shift, self.mean + shift], 1), variance)


class Statistics:
    """What expectation maximisation needs to know of frames: as large after a year of speech as after a second.

    count (S, G): frames in each gaussian; first, second (S, G, D): sums of them and of their squares, in double.
    log_likelihood: of the frames, sum.
    """

    def __init__(self, mixtures: Mixtures) -> None:
        """mixtures: those that tell whose a frame is."""
        self.mixtures = mixtures
        self.count = torch.zeros_like(mixtures.weight, dtype=torch.float64)
        self.first, self.second = (torch.zeros_like(mixtures.mean, dtype=torch.float64) for _ in range(2))
        self.log_likelihood = 0.0

    def add(self, frames: Tensor, occupied: Tensor) -> None:
        """Hear frames (N, D) that are in each sub-state with a probability of (N, S)."""
        chunk = self.mixtures.chunk
        for some, theirs in zip(frames.split(chunk), occupied.split(chunk), strict=True):
            densities = self.mixtures.by_gaussian(some)
            share = (densities.softmax(-1) * theirs[..., None]).flatten(1)  # (N, S G)
            self.count += share.sum(0).view_as(self.count)
            self.first += (share.T @ some).view_as(self.first)
            self.second += (share.T @ some.square()).view_as(self.second)
            self.log_likelihood += (densities.logsumexp(-1) * theirs).sum().item()

    def maximised(self, *, least_frames: float, variance_floor: float) -> Mixtures:
        """Mixtures of maximum likelihood.

        least_frames: a gaussian of fewer frames becomes the average of all. variance_floor: no variance is less than this
        share of that of all frames.
        """
        total = self.count.sum()
        mean_of_all = self.first.sum((0, 1)) / total
        variance_of_all = self.second.sum((0, 1)) / total - mean_of_all.square()
        heard, count = (self.count >= least_frames)[..., None], self.count.clamp(min=1e-10)[..., None]
        mean = torch.where(heard, self.first / count, mean_of_all)
        variance = torch.where(heard, self.second / count - mean.square(), variance_of_all)
        variance = torch.maximum(variance, variance_floor * variance_of_all)
        weight = (self.count + 1e-6) / (self.count + 1e-6).sum(-1, keepdim=True)
        return Mixtures(weight.float(), mean.float(), variance.float())


def one_for_all(n_states: int, dim: int, device: torch.device) -> Mixtures:
    """One standard gaussian in each sub-state, to begin with: it lets every frame be where it is said to be."""
    ones = torch.ones(n_states, 1, dim, device=device)
    return Mixtures(ones[..., 0], torch.zeros_like(ones), ones)
