"""Planted clusters come back; the nearest centroid is the nearest."""

import sys

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from wavu.audio import kmeans
from wavu.audio.kmeans import assign, fit_kmeans
from wavu.errors import WavuError

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(0, 10, (5, 4))
TRUTH = RNG.integers(0, 5, 500)
FRAMES = (CENTRES[TRUTH] + RNG.normal(0, 0.5, (500, 4))).astype(np.float32)
SETTINGS = {"clusters": 5, "iterations": 20, "restarts": 20}


def test_planted_clusters_come_back() -> None:
    centroids = fit_kmeans(FRAMES, **SETTINGS, seed=0)
    assert centroids.shape == (5, 4) and centroids.dtype == np.float32
    assert adjusted_rand_score(TRUTH, assign(FRAMES, centroids)) == 1
    assert np.array_equal(centroids, fit_kmeans(FRAMES, **SETTINGS, seed=0))


def test_a_unit_is_the_nearest_centroid_whatever_lies_beside_it(monkeypatch) -> None:
    centroids = RNG.normal(0, 1, (7, 4)).astype(np.float32)
    plain = [int(np.argmin([np.linalg.norm(frame - centroid) for centroid in centroids])) for frame in FRAMES]
    units = assign(FRAMES, centroids)
    assert units.dtype == np.int16 and units.tolist() == plain
    monkeypatch.setattr(kmeans, "CHUNK", 7)
    assert assign(FRAMES, centroids).tolist() == plain
    assert assign(FRAMES[:0], centroids).shape == (0,)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_finds_clusters_as_good_as_those_of_a_cpu(monkeypatch) -> None:
    faiss = pytest.importorskip("faiss")
    if not faiss.get_num_gpus():
        pytest.skip("needs FAISS for GPUs")
    frames = RNG.normal(0, 1, (20_000, 64)).astype(np.float32)

    def distortion() -> float:
        centroids = fit_kmeans(frames, clusters=32, iterations=25, restarts=1, seed=0)
        return float(np.square(frames - centroids[assign(frames, centroids)]).sum(1).mean())

    found = distortion()
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0)
    assert found == pytest.approx(distortion(), rel=0.01)


def test_fewer_frames_than_clusters_is_told() -> None:
    with pytest.raises(WavuError, match="4 frames of speech cannot make 5 clusters"):
        fit_kmeans(FRAMES[:4], **SETTINGS, seed=0)


def test_without_faiss_the_extra_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(WavuError, match=r"wavu\[cpu\]"):
        kmeans.check_installed()
