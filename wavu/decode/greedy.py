"""Greedy decoding: every run of one label is one phone, silence is left out; and how sure each phone is."""

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
    """Labels or scores (S, ...) of segments that begin at frames ``starts`` (S) as those of frames (N, ...); the last one ends with the utterance."""
    return np.repeat(labels, np.diff(starts, append=n_frames), axis=0)


def confidence(scores: np.ndarray, found: np.ndarray) -> np.ndarray:
    """How sure each of R phones is, from 0 to 1 (R): its probability given the sound of its frames, were its neighbours unknown.

    scores (N, V): natural log likelihood, or posterior, of each label in each frame. found (R, 3): as :func:`runs` gives it.
    Neighbouring frames sound alike, so that a phone of ten frames is not ten independent witnesses: they count as one, their
    mean. On an invented language this tells right phones from wrong ones far better than the posterior of the whole utterance.
    """
    totals = np.concatenate([np.zeros((1, scores.shape[1])), np.cumsum(scores, axis=0, dtype=np.float64)])
    mean = (totals[found[:, 2]] - totals[found[:, 1]]) / (found[:, 2] - found[:, 1])[:, None]
    odds = np.exp(mean - mean.max(axis=1, keepdims=True))
    return odds[np.arange(len(found)), found[:, 0]] / odds.sum(axis=1)
