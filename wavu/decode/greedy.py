"""Greedy decoding: every run of one label is one phone, silence is left out."""

import numpy as np


def runs(labels: np.ndarray, *, silence: int) -> np.ndarray:
    """Labels (N) of one utterance -> (R, 3) int64: phone, first frame, and the frame after the last, of each of R phones.

    >>> runs(np.array([9, 4, 4, 7, 9, 9, 7]), silence=9).tolist()
    [[4, 1, 3], [7, 3, 4], [7, 6, 7]]
    """
    edges = np.flatnonzero(np.diff(labels, prepend=-1, append=-1))
    phones = np.asarray(labels)[edges[:-1]]
    return np.stack([phones, edges[:-1], edges[1:]], axis=1)[phones != silence].astype(np.int64)


def per_frame(labels: np.ndarray, starts: np.ndarray, n_frames: int) -> np.ndarray:
    """Labels (S) of segments that begin at frames ``starts`` (S) as labels of frames (N); the last segment ends with the utterance."""
    return np.repeat(labels, np.diff(starts, append=n_frames))
