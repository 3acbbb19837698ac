"""MFCC and layers of a model as one encoder, which hears everything once."""

import numpy as np

from wavu.audio.encoder import Encoder, Mfcc

MFCC = "mfcc"


class SideBySide:
    """MFCC and layers of a model as one encoder, each a part of its frames."""

    def __init__(self, model: Encoder) -> None:
        """model: whose frames hold its layers side by side."""
        self.encoders = [Mfcc(), model]
        self.dim = Mfcc.dim + model.dim
        self.names = [MFCC, *map(str, model.layers)]

    def encode(self, waveforms: list[np.ndarray]) -> list[np.ndarray]:
        """Waveforms (T,) -> frames (N, D) float32; MFCC may have one frame less, which then all are cut to."""
        each = [encoder.encode(waveforms) for encoder in self.encoders]
        return [np.concatenate([row[: min(map(len, rows))] for row in rows], axis=1) for rows in zip(*each, strict=True)]


def part(frames: np.ndarray, names: list[str], name: str) -> np.ndarray:
    """What one of the names adds to the frames (N, D) of :class:`SideBySide`: (N, 78) or (N, D')."""
    if name == MFCC:
        return frames[:, : Mfcc.dim]
    width, place = (frames.shape[1] - Mfcc.dim) // (len(names) - 1), names.index(name) - 1
    return frames[:, Mfcc.dim + place * width :][:, :width]
