"""Audio preparation as wav2vec-U's scripts do it, to measure against: three passes of the encoder, four copies of the frames.

``wav2vec_cluster_faiss.py``, ``wav2vec_extract_features.py``, ``wav2vec_apply_cluster_faiss.py``, ``pca.py``, ``apply_pca.py``,
``merge_clusters.py`` and ``mean_pool.py`` of the original, one after another: one utterance at a time, float32, every frame in memory
for k-means, every copy written whole. Voice activity is wavu's own, so that only the rest is compared.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import faiss
import numpy as np
import torch
from transformers import AutoFeatureExtractor, AutoModel

CLUSTERS = 128
RESTARTS, ITERATIONS = 3, 50  # of its k-means
PCA_DIM = 512


class PlainEncoder:
    """One utterance (T,) at a time to the output of block ``layer`` (N, D); the blocks above are not computed, as there."""

    def __init__(self, model: str, layer: int) -> None:
        self.extractor = AutoFeatureExtractor.from_pretrained(model)
        self.model = AutoModel.from_pretrained(model, dtype=torch.float32).eval()
        self.model.encoder.layers = self.model.encoder.layers[:layer]
        if getattr(self.model.config, "do_stable_layer_norm", False):
            self.model.encoder.layer_norm = torch.nn.Identity()
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model.to(self.device)

    @torch.inference_mode()
    def __call__(self, waveform: np.ndarray) -> np.ndarray:
        """Waveform (T,) -> frames (N, D)."""
        values = self.extractor(waveform, sampling_rate=16_000, return_tensors="pt").input_values.to(self.device)
        return self.model(values).last_hidden_state[0].float().cpu().numpy()


def plain_prepare(speech: Callable[[], Iterator[np.ndarray]], encode: Callable[[np.ndarray], np.ndarray], out: Path) -> int:
    """All stages; ``speech`` reads every utterance (T,) anew, as each of the original's passes does. Returns bytes written."""
    out.mkdir(parents=True)
    frames = np.concatenate([encode(waveform) for waveform in speech()])  # pass 1: all frames in memory
    kmeans = faiss.Kmeans(
        frames.shape[1], CLUSTERS, niter=ITERATIONS, nredo=RESTARTS, seed=0, max_points_per_centroid=len(frames)
    )
    kmeans.train(frames)
    pca = faiss.PCAMatrix(frames.shape[1], min(PCA_DIM, frames.shape[1]))
    with open(out / "raw.f32", "wb") as file:  # pass 2
        lengths = [_append(file, encode(waveform)) for waveform in speech()]
    units = [kmeans.index.search(encode(waveform), 1)[1][:, 0] for waveform in speech()]  # pass 3
    raw = np.fromfile(out / "raw.f32", np.float32).reshape(-1, frames.shape[1])
    pca.train(raw)
    with open(out / "pca.f32", "wb") as file:
        for row in _rows(raw, lengths):
            _append(file, pca.apply(np.ascontiguousarray(row)))
    reduced = np.fromfile(out / "pca.f32", np.float32).reshape(len(raw), -1)
    with open(out / "merged.f32", "wb") as file:
        merged = [_append(file, _merged(row, labels)) for row, labels in zip(_rows(reduced, lengths), units, strict=True)]
    segments = np.fromfile(out / "merged.f32", np.float32).reshape(-1, reduced.shape[1])
    with open(out / "pooled.f32", "wb") as file:
        for row in _rows(segments, merged):
            _append(file, _pairs(row))
    return sum(path.stat().st_size for path in out.iterdir())


def _append(file: object, rows: np.ndarray) -> int:
    file.write(np.ascontiguousarray(rows, np.float32).tobytes())
    return len(rows)


def _rows(flat: np.ndarray, lengths: list[int]) -> Iterator[np.ndarray]:
    start = 0
    for length in lengths:
        yield flat[start : start + length]
        start += length


def _merged(frames: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Mean of each run of one unit, run by run."""
    means, start = [], 0
    for at in range(1, len(labels) + 1):
        if at == len(labels) or labels[at] != labels[start]:
            means.append(frames[start:at].mean(0))
            start = at
    return np.stack(means)


def _pairs(segments: np.ndarray) -> np.ndarray:
    """Mean of each two neighbours."""
    return np.stack([segments[at : at + 2].mean(0) for at in range(0, len(segments), 2)])
