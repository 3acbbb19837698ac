"""Ours is scikit-learn's transform, and finds a planted plane."""

import numpy as np
from sklearn.decomposition import PCA

from wavu.audio.pca import fit_pca, project

RNG = np.random.default_rng(0)
PLANE = RNG.normal(size=(2, 6))
FRAMES = (3 + RNG.normal(size=(400, 2)) @ PLANE + RNG.normal(0, 1e-3, (400, 6))).astype(np.float32)


def test_a_planted_plane_is_found() -> None:
    mean, directions = fit_pca(FRAMES, dim=2)
    assert mean.shape == (6,) and directions.shape == (6, 2)
    back = project(FRAMES, mean, directions) @ directions.T + mean
    assert np.abs(back - FRAMES).max() < 0.02


def test_projection_is_that_of_scikit_learn() -> None:
    mean, directions = fit_pca(FRAMES, dim=4)
    theirs = PCA(4, svd_solver="full").fit_transform(FRAMES)[:, :2]
    assert np.abs(np.abs(project(FRAMES, mean, directions)[:, :2]) - np.abs(theirs)).max() < 1e-3


def test_all_dims_keep_every_distance() -> None:
    projected = project(FRAMES, *fit_pca(FRAMES, dim=6))
    assert np.allclose(
        np.linalg.norm(projected[0] - projected[1:], axis=1), np.linalg.norm(FRAMES[0] - FRAMES[1:], axis=1), atol=1e-3
    )
