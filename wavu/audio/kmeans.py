"""Acoustic units: k-means over frames, fitted by FAISS, applied by one product of matrices."""

from types import ModuleType

import numpy as np

from wavu.device import product
from wavu.errors import WavuError

CHUNK = 4_096  # frames compared with the centroids at a time: a block that stays in the cache


def fit_kmeans(frames: np.ndarray, *, clusters: int, iterations: int, restarts: int, seed: int) -> np.ndarray:
    """Centroids (K, D) float32 of frames (N, D), on the GPU where there is one.

    clusters: K. iterations: of each of the ``restarts``, of which the best is kept.

    Raises:
        WavuError: FAISS is not installed, or there are fewer frames than clusters.
    """
    faiss = _faiss()
    n, dim = frames.shape
    if n < clusters:
        raise WavuError(
            f"{n} frames of speech cannot make {clusters} clusters; give more audio, or fewer in kmeans.clusters or targets.clusters"
        )
    settings = {"niter": iterations, "nredo": restarts, "seed": seed, "gpu": faiss.get_num_gpus() > 0}
    kmeans = faiss.Kmeans(dim, clusters, **settings, min_points_per_centroid=1, max_points_per_centroid=n)
    threads = faiss.omp_get_max_threads()
    # One thread gives the same centroids on any number of cores, and on a busy machine ten times sooner: faiss's threads spin.
    faiss.omp_set_num_threads(1)
    try:
        kmeans.train(np.ascontiguousarray(frames, np.float32))
    finally:
        faiss.omp_set_num_threads(threads)
    return kmeans.centroids


def assign(frames: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """The nearest of the centroids (K, D) to each of the frames (N, D), as (N,) int16.

    In float64, so that a frame's unit does not hang on which frames are computed beside it.
    """
    centroids = centroids.astype(np.float64)
    offset = np.square(centroids).sum(axis=1) / 2
    chunks = (frames[at : at + CHUNK].astype(np.float64) for at in range(0, len(frames), CHUNK))
    nearest = [(product(chunk, centroids.T) - offset).argmax(axis=1).astype(np.int16) for chunk in chunks]
    return np.concatenate(nearest) if nearest else np.zeros(0, np.int16)


def check_installed() -> None:
    """Raise WavuError where FAISS is missing, before hours are spent on the frames it would cluster."""
    _faiss()


def _faiss() -> ModuleType:
    try:
        import faiss
    except ImportError as error:
        raise WavuError(
            "k-means needs FAISS, which is not installed; pip install 'wavu[cpu]' or, with an NVIDIA GPU, 'wavu[gpu]'"
        ) from error
    return faiss
