"""Linear maps of a window of frames: discriminants between sub-states, and what makes their covariances diagonal.

Splicing, derivatives, LDA and a semi-tied covariance are all such maps, so one matrix holds whichever were learned.
Shapes: N frames of d dims; a window of R = 2 * reach + 1 of them; D dims come out; C classes.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wavu.ragged import Ragged

_RIDGE = 1e-4  # of the mean variance, added to covariances that are inverted


@dataclass(frozen=True)
class Transform:
    """matrix (R, d, D): what each frame of the window adds."""

    matrix: Tensor

    def __call__(self, frames: Ragged) -> Tensor:
        """Frames (N, d) of utterances, whose first and last frames go on beyond their ends -> (N, D) float32."""
        flat = as_tensor(frames.flat, self.matrix.device)
        places = neighbours(frames, len(self.matrix) // 2)
        return sum(flat[torch.from_numpy(at).to(flat.device)] @ part for at, part in zip(places, self.matrix, strict=True))

    def then(self, matrix: Tensor) -> "Transform":
        """Followed by a matrix (D, D')."""
        return Transform(self.matrix @ matrix)

    @property
    def dim(self) -> int:
        """D."""
        return self.matrix.shape[-1]


def unchanged(dim: int, device: torch.device) -> Transform:
    """Frames of d dims as they are."""
    return Transform(torch.eye(dim, device=device)[None])


def as_tensor(frames: np.ndarray, device: torch.device) -> Tensor:
    """Frames from disk (N, d) as float32 on a device."""
    return torch.from_numpy(np.asarray(frames)).to(device).float()


def neighbours(frames: Ragged, reach: int) -> list[np.ndarray]:
    """For each of ``-reach`` to ``reach``: the place (N) of the frame so many after each, within its utterance."""
    row = np.repeat(np.arange(len(frames)), frames.lengths)
    first, last, here = frames.offsets[:-1][row], frames.offsets[1:][row] - 1, np.arange(len(row))
    return [np.clip(here + step, first, last) for step in range(-reach, reach + 1)]


class Discriminant:
    """Linear discriminant analysis (Fisher 1936) of windows of frames, from sums that grow with no amount of speech."""

    def __init__(self, *, dim: int, reach: int, classes: int, device: torch.device) -> None:
        """dim: d."""
        self.reach, self.size = reach, (2 * reach + 1, dim)
        wide = (2 * reach + 1) * dim
        self.count = torch.zeros(classes, dtype=torch.float64, device=device)
        self.first = torch.zeros(classes, wide, dtype=torch.float64, device=device)
        self.second = torch.zeros(wide, wide, dtype=torch.float64, device=device)

    def add(self, frames: Ragged, classes: Tensor) -> None:
        """Hear frames (N, d) of utterances and the class of each (N) int64."""
        flat = as_tensor(frames.flat, self.count.device)
        places = neighbours(frames, self.reach)
        window = torch.cat([flat[torch.from_numpy(at).to(flat.device)] for at in places], 1)
        self.count += torch.bincount(classes, minlength=len(self.count))
        self.first += torch.zeros_like(self.first, dtype=window.dtype).index_add_(0, classes, window)
        self.second += (window.T @ window).double()

    def transform(self, dim: int) -> Transform:
        """The ``dim`` directions that tell the classes apart best, the variance within classes being 1 in each."""
        total = self.count.sum()
        mean = self.first.sum(0) / total
        apart = (self.first / self.count.clamp(min=1)[:, None] - mean) * (self.count / total).sqrt()[:, None]
        between = apart.T @ apart
        within = self.second / total - torch.outer(mean, mean) - between
        within.diagonal().add_(_RIDGE * within.diagonal().mean())
        whiten = torch.linalg.inv(torch.linalg.cholesky(within))
        _, directions = torch.linalg.eigh(whiten @ between @ whiten.T)  # ascending
        return Transform((whiten.T @ directions[:, -dim:].flip(1)).float().view(*self.size, -1))


class Covariances:
    """Covariance of the frames of each class, from sums."""

    def __init__(self, *, dim: int, classes: int, device: torch.device) -> None:
        """dim: D."""
        self.count = torch.zeros(classes, dtype=torch.float64, device=device)
        self.first = torch.zeros(classes, dim, dtype=torch.float64, device=device)
        self.second = torch.zeros(classes, dim, dim, dtype=torch.float64, device=device)

    def add(self, frames: Tensor, classes: Tensor) -> None:
        """Hear frames (N, D) and the class of each (N) int64."""
        for number in classes.unique().tolist():
            some = frames[classes == number]
            self.count[number] += len(some)
            self.first[number] += some.sum(0)
            self.second[number] += (some.T @ some).double()

    def of_classes(self) -> tuple[Tensor, Tensor]:
        """Covariances (C', D, D) and frames (C') of the classes that have more frames than dims."""
        enough = self.count > self.first.shape[1]
        count, mean = self.count[enough], self.first[enough] / self.count[enough, None]
        covariance = self.second[enough] / count[:, None, None] - mean[:, :, None] * mean[:, None]
        covariance.diagonal(dim1=1, dim2=2).add_(_RIDGE * covariance.diagonal(dim1=1, dim2=2).mean())
        return covariance, count


def semi_tied(covariances: Tensor, counts: Tensor, *, iterations: int) -> Tensor:
    """The matrix (D, D), applied from the right, after which diagonal gaussians fit classes best (Gales 1999, section II-C).

    covariances (C, D, D) and counts (C) of the classes. In turns, the variances are those of the classes under the matrix,
    and each of its rows is the best one for these variances and the other rows (Eq. 21 to 24).
    """
    weights = counts / counts.sum()
    matrix = torch.eye(covariances.shape[-1], dtype=covariances.dtype, device=covariances.device)
    for _ in range(iterations):
        variances = torch.einsum("id,cde,ie->ci", matrix, covariances, matrix)
        inverses = torch.linalg.inv(torch.einsum("ci,cde->ide", weights[:, None] / variances, covariances))
        for row, inverse in enumerate(inverses):
            cofactors = torch.linalg.inv(matrix)[:, row]  # up to a factor, which the next line takes out
            better = inverse @ cofactors
            matrix[row] = better / (cofactors @ better).sqrt()
    return matrix.T.float()
