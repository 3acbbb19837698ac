"""Fewer dims of a frame: PCA without whitening."""

import numpy as np

from wavu.device import product


def fit_pca(frames: np.ndarray, *, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean (D,) and the first ``dim`` principal directions (D, d) of frames (N, D), both float32."""
    from sklearn.decomposition import PCA  # here, because it takes a second or two that new audio need not wait for

    pca = PCA(dim, svd_solver="covariance_eigh").fit(frames)
    return pca.mean_.astype(np.float32), np.ascontiguousarray(pca.components_.T, np.float32)


def project(frames: np.ndarray, mean: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Frames (N, D) -> (N, d) float32, centred."""
    return product(frames, directions) - mean @ directions
