"""All that turns a waveform into frames, units and segments: what ``prepare_audio`` learns and what new audio goes through."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from wavu.audio.encoder import Encoder, load_encoder
from wavu.audio.kmeans import assign, fit_kmeans
from wavu.audio.pca import fit_pca, project
from wavu.audio.pool import mean_pool
from wavu.audio.segment import pair_starts, segment_starts
from wavu.audio.vad import keep, speech_spans
from wavu.eight_bits import step_widths
from wavu.ragged import Ragged
from wavu.store import intact, read_json, read_tensors, write_json, write_tensors
from wavu.units import HOP_SECONDS, samples

FRONT_END = ("frontend/frontend.json", "frontend/frontend.safetensors")  # files of a folder that can hear


@dataclass(frozen=True, eq=False)
class Segmented:
    """Utterances after the front end, row by row as in :class:`wavu.prepared.Speech`."""

    frames: Ragged
    units: Ragged
    segments: Ragged
    starts: Ragged


@dataclass(frozen=True, eq=False)
class FrontEnd:
    """VAD, encoder, k-means, PCA and segmentation, fitted.

    settings: ``vad``, ``encoder``, ``segment``: the blocks of the YAML; ``min_seconds``, ``max_seconds`` of an utterance.
    centroids (K, D): of the encoder's frames, the very ones that PCA sees. mean (D,), directions (D, d): of the PCA.
    target_centroids (K', 39): of MFCC, where targets are wanted. scale (D,): where there is one, frames are levelled before all
    else: each utterance to mean 0, which takes speaker and channel out, and each dim to variance 1, as some dims of a transformer
    are a hundred times louder than the others. steps (d,): where there are any, frames after PCA lie on disk as so many of
    these, in 8 bits.
    """

    settings: dict
    centroids: np.ndarray
    mean: np.ndarray
    directions: np.ndarray
    target_centroids: np.ndarray | None = None
    scale: np.ndarray | None = None
    steps: np.ndarray | None = None

    @classmethod
    def fit(
        cls, frames: np.ndarray, *, settings: dict, kmeans: dict, dim: int, bits: int, seed: int, levelled: bool = False
    ) -> "FrontEnd":
        """Learn units and PCA from a sample of encoder frames (N, D), centred by utterance where they are to be levelled.

        The original clusters frames of un-normalised audio and projects frames of normalised audio; here both are the same.
        bits: 16 or 8, of a value of a frame after PCA.
        """
        scale = np.maximum(frames.std(0), 1e-6).astype(np.float32) if levelled else None
        frames = frames / scale if levelled else frames
        centroids = fit_kmeans(frames, **kmeans, seed=seed)
        mean, directions = fit_pca(frames, dim=dim)
        steps = step_widths(project(frames, mean, directions)) if bits == 8 else None
        return cls(settings, centroids, mean, directions, scale=scale, steps=steps)

    def with_targets(self, cepstra: np.ndarray, *, kmeans: dict, seed: int) -> "FrontEnd":
        """The same front end, with the clusters of targets learned from a sample of MFCC (N, 39)."""
        return replace(self, target_centroids=fit_kmeans(cepstra, **kmeans, seed=seed))

    @classmethod
    def read(cls, folder: Path) -> "FrontEnd":
        """Open ``frontend.json`` and ``frontend.safetensors``."""
        tensors, _ = read_tensors(folder / "frontend.safetensors")
        with intact(folder / "frontend.safetensors"):
            front_end = cls(read_json(folder / "frontend.json"), **tensors)
            if not all(np.isfinite(value).all() for value in tensors.values()):
                raise ValueError("values that are not finite")
        return front_end

    def write(self, folder: Path) -> None:
        """Write ``frontend.json`` and, last, ``frontend.safetensors``."""
        write_json(folder / "frontend.json", self.settings)
        tensors = {"centroids": self.centroids, "mean": self.mean, "directions": self.directions}
        others = {name: getattr(self, name) for name in ("target_centroids", "scale", "steps")}
        tensors |= {name: tensor for name, tensor in others.items() if tensor is not None}
        write_tensors(folder / "frontend.safetensors", tensors, {})

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder, loaded when first asked for."""
        return load_encoder(**self.settings["encoder"])

    def listen(self, waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The speech in one waveform (T,) at 16 kHz, cut out, and its spans, as :func:`speech_of`."""
        return speech_of(waveform, vad=self.settings["vad"], min_seconds=self.settings["min_seconds"])

    def encode(self, speech: list[np.ndarray]) -> Ragged:
        """Speech (T,) of utterances, as :meth:`listen` cuts it out, none of them empty -> their encoder frames (N, D).

        Raises:
            WavuError: the encoder cannot be loaded.
        """
        return joined(self.encoder.encode(speech), len(self.mean))

    def units(self, encoded: Ragged) -> Ragged:
        """The unit of each encoder frame (N, D): (N) int16."""
        return Ragged(assign(self._levelled(encoded), self.centroids), encoded.offsets)

    def frames(self, encoded: Ragged) -> Ragged:
        """Encoder frames (N, D) after PCA: (N, d) float16."""
        return Ragged(project(self._levelled(encoded), self.mean, self.directions).astype(np.float16), encoded.offsets)

    def _levelled(self, encoded: Ragged) -> np.ndarray:
        """Encoder frames (N, D) as k-means and PCA know them."""
        if self.scale is None:
            return encoded.flat
        levelled = centred(encoded).flat
        levelled /= self.scale
        return levelled

    def targets(self, cepstra: Ragged) -> Ragged:
        """The cluster of the MFCC (N, 39) at the time of each frame: (N) int16.

        What the generator of wav2vec-U 2.0 also guesses (Liu et al. 2022), whatever the encoder. The original's script never
        trained this k-means.
        """
        return Ragged(assign(cepstra.flat, self.target_centroids), cepstra.offsets)

    def segment(self, encoded: Ragged) -> Segmented:
        """Encoder frames (N, D) of many non-empty utterances -> their frames, units and segments."""
        offsets = encoded.offsets
        levelled = self._levelled(encoded)
        units, frames = Ragged(assign(levelled, self.centroids), offsets), project(levelled, self.mean, self.directions)
        settings = dict(self.settings["segment"])
        pooled_in_pairs = settings.pop("pair_pool")
        starts = segment_starts(units.flat, frames, offsets, **settings)
        segments, edges = mean_pool(frames, starts), np.searchsorted(starts, offsets)
        if pooled_in_pairs:
            pairs = pair_starts(edges)
            segments, starts, edges = mean_pool(segments, pairs), starts[pairs], np.searchsorted(pairs, edges)
        starts = starts - np.repeat(offsets[:-1], np.diff(edges))
        return Segmented(
            frames=Ragged(frames.astype(np.float16), offsets),
            units=units,
            segments=Ragged(segments.astype(np.float16), edges),
            starts=Ragged(starts.astype(np.int32), edges),
        )


def speech_of(waveform: np.ndarray, *, vad: dict, min_seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """The speech in a waveform (T,), cut out, and its spans (P, 2) float32 in seconds; both empty under ``min_seconds`` of it."""
    spans = speech_spans(waveform, **vad)
    speech = keep(waveform, spans)
    if len(speech) < samples(min_seconds):
        speech, spans = speech[:0], spans[:0]
    return speech, (spans * HOP_SECONDS).astype(np.float32)


def centred(encoded: Ragged) -> Ragged:
    """Encoder frames (N, D) less the mean of those of their utterance, in an array of their own."""
    flat = np.empty(encoded.flat.shape, np.float32)
    for row, start, end in zip(encoded, encoded.offsets[:-1], encoded.offsets[1:], strict=True):
        if len(row):
            np.subtract(row, row.mean(0), out=flat[start:end])
    return Ragged(flat, encoded.offsets)


def joined(rows: list[np.ndarray], dim: int) -> Ragged:
    """Encoder frames of utterances as one Ragged, (0, dim) where there are none."""
    return Ragged.of(rows, np.float32) if rows else Ragged(np.zeros((0, dim), np.float32), np.zeros(1, np.int64))
