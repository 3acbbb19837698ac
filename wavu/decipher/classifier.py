"""A weak classifier of frames or segments: gaussians of all phones that share one covariance, that is linear discriminants.

It has to be weak. What it learns from are guesses, and whatever can believe them all (context, a hidden layer, logistic
regression run to the end) ends up believing its own errors.
Shapes: N frames or segments of d dims, D after whitening, V phones.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

SAMPLE = 100_000  # rows that a whitening is learned from


@dataclass(frozen=True)
class Whitening:
    """The first principal components, each brought to variance 1. mean (d), matrix (d, D)."""

    mean: np.ndarray
    matrix: np.ndarray

    @classmethod
    def fit(cls, rows: np.ndarray, *, dims: int) -> "Whitening":
        """Learn from rows (N, d); D is ``dims`` or, where that is less, d."""
        some = np.asarray(rows[:: max(1, len(rows) // SAMPLE)], np.float64)
        mean = some.mean(0)
        variances, directions = np.linalg.eigh(np.cov((some - mean).T).reshape(some.shape[1], -1))  # ascending
        kept = slice(None, -min(dims, len(variances)) - 1, -1)
        matrix = directions[:, kept] / np.sqrt(np.maximum(variances[kept], 1e-10))
        return cls(mean.astype(np.float32), matrix.astype(np.float32))

    def __call__(self, rows: np.ndarray) -> Tensor:
        """Rows (N, d) -> (N, D) float32."""
        return torch.from_numpy((np.asarray(rows, np.float32) - self.mean) @ self.matrix)


@dataclass(frozen=True)
class Classifier:
    """weight (D, V), bias (V): of natural log densities, up to what is the same for all phones."""

    weight: Tensor
    bias: Tensor

    @classmethod
    def fit(cls, rows: Tensor, shares: Tensor, *, shrinkage: float) -> "Classifier":
        """Learn from white rows (N, D) and how much of each belongs to each phone (N, V).

        shrinkage: added to all variances within phones, those of the rows themselves being 1. The more, the weaker.
        """
        count = shares.sum(0) + 1.0  # a phone that nothing belongs to sounds like everything
        means = (shares.T @ rows) / count[:, None]
        within = rows.T @ rows / len(rows) - (means * (count / count.sum())[:, None]).T @ means
        within.diagonal().add_(shrinkage)
        weight = torch.linalg.solve(within, means.T)
        return cls(weight, -0.5 * (means.T * weight).sum(0))

    def log_likelihood(self, rows: Tensor) -> Tensor:
        """Natural log density (N, V) of white rows (N, D), up to a constant of each row."""
        return rows @ self.weight + self.bias
