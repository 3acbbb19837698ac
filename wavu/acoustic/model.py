"""Sub-states of phones as gaussian mixtures of transformed frames: learned from aligned speech, scored, kept on disk.

Shapes: N frames of d dims, D after the transform; V phones of n sub-states; S = V * n; G gaussians in each.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wavu.acoustic.gaussians import Mixtures, Statistics, one_for_all
from wavu.acoustic.transform import Covariances, Discriminant, Transform, as_tensor, semi_tied
from wavu.ragged import Ragged

# Frames held in memory at a time while a model is trained: 470 MB of windows of 7 frames of 512 dims.
_PART_FRAMES = 2**15


@dataclass(frozen=True)
class AcousticModel:
    """stay (V, n): probability of one more frame in each sub-state."""

    transform: Transform
    mixtures: Mixtures
    stay: Tensor

    @torch.inference_mode()
    def log_likelihood(self, frames: Ragged) -> Tensor:
        """Natural log density of frames (N, d) in each sub-state, (N, V * n): that of sub-state i of phone v in column v * n + i."""
        return self.mixtures.log_likelihood(self.transform(frames))

    def packed(self) -> dict[str, np.ndarray]:
        """Its arrays, for disk."""
        tensors = {"matrix": self.transform.matrix, "stay": self.stay, **vars(self.mixtures)}
        return {name: tensor.cpu().numpy() for name, tensor in tensors.items()}

    @classmethod
    def unpacked(cls, arrays: dict[str, np.ndarray], device: torch.device) -> "AcousticModel":
        """What ``packed`` packed."""
        names = ("matrix", "weight", "mean", "variance", "stay")
        matrix, weight, mean, variance, stay = (torch.from_numpy(arrays[name]).to(device) for name in names)
        return cls(Transform(matrix), Mixtures(weight, mean, variance), stay)


def fit_transform(
    frames: Ragged, states: Ragged, *, n_states: int, reach: int, dim: int, iterations: int, device: torch.device
) -> Transform:
    """LDA of windows of frames (N, d), and a semi-tied covariance, for sub-states (N) of which there are S.

    reach: frames before and after that are looked at. dim: D. iterations: of the semi-tied covariance.
    """
    discriminant = Discriminant(dim=frames.flat.shape[1], reach=reach, classes=n_states, device=device)
    for rows in parts(frames):
        discriminant.add(frames.take(rows), _classes(states.take(rows), device))
    transform = discriminant.transform(min(dim, len(discriminant.second)))
    covariances = Covariances(dim=transform.dim, classes=n_states, device=device)
    for rows in parts(frames):
        covariances.add(transform(frames.take(rows)), _classes(states.take(rows), device))
    return transform.then(semi_tied(*covariances.of_classes(), iterations=iterations))


def fit_mixtures(
    transform: Transform,
    frames: Ragged,
    states: Ragged,
    *,
    n_states: int,
    gaussians: int,
    passes: int,
    least_frames: float,
    variance_floor: float,
) -> Mixtures:
    """Mixtures of frames (N, d) for sub-states (N) of which there are S: one gaussian each, split until there are ``gaussians``.

    passes: of expectation maximisation after each split. least_frames, variance_floor: see ``Statistics.maximised``.
    """
    device = transform.matrix.device
    mixtures = one_for_all(n_states, transform.dim, device)
    for turn in range(1 + passes * (gaussians.bit_length() - 1)):
        if turn and (turn - 1) % passes == 0:
            mixtures = mixtures.split()
        statistics = Statistics(mixtures)
        for rows in parts(frames):
            occupied = F.one_hot(_classes(states.take(rows), device), n_states).float()
            statistics.add(transform(frames.take(rows)), occupied)
        mixtures = statistics.maximised(least_frames=least_frames, variance_floor=variance_floor)
    return mixtures.silenced(torch.bincount(_classes(states, device), minlength=n_states) == 0)


def stays(states: Ragged, shape: tuple[int, int], device: torch.device) -> Tensor:
    """Probability (V, n) of one more frame in each sub-state, as the sub-states of frames (N) have it; a visit each way is added."""
    size = shape[0] * shape[1]
    frames = np.bincount(states.flat, minlength=size)
    visits = np.bincount(states.flat[states.run_starts()], minlength=size)
    return as_tensor(((frames - visits + 1) / (frames + 2)).reshape(shape), device)


def parts(frames: Ragged) -> Iterator[np.ndarray]:
    """Rows, so many at a time that their frames fit into memory."""
    block = frames.offsets[:-1] // _PART_FRAMES
    edges = np.flatnonzero(np.diff(block, prepend=-1, append=-2))
    for begin, end in zip(edges, edges[1:], strict=False):
        yield np.arange(begin, end)


def _classes(states: Ragged, device: torch.device) -> Tensor:
    return torch.from_numpy(np.asarray(states.flat, np.int64)).to(device)
