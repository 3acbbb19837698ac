"""Connectionist temporal classification: what a student's log probabilities say, and when (Graves et al. 2006).

Shapes: N frames, P tokens with the blank as column 0, R phones said.
"""

import numpy as np

BLANK = 0
# A phone is marked by a frame or two near its middle. Marks closer than this belong to phones that touch.
TOUCHING_SECONDS = 0.25


def greedy(scores: np.ndarray) -> np.ndarray:
    """Best path of log probabilities (N, P): phone (column - 1), first frame, end frame and probability of each run, (R, 4) float64.

    The probability is the mean over the frames of the run.
    """
    if not len(scores):
        return np.zeros((0, 4))
    best = scores.argmax(1)
    starts = np.flatnonzero(np.append(True, best[1:] != best[:-1]))
    ends = np.append(starts[1:], len(best))
    probability = np.add.reduceat(np.exp(scores.max(1)), starts) / (ends - starts)
    runs = np.stack([best[starts] - 1.0, starts, ends, probability], 1)
    return runs[best[starts] != BLANK]


def spans(runs: np.ndarray, *, hop_seconds: float, seconds: float) -> np.ndarray:
    """When each of the runs (R, 4) of :func:`greedy` was said, (R, 2) in seconds.

    A network trained with CTC marks phones; it does not say where they begin. Here phones that touch meet half way between
    their marks, and before and after a pause a phone is as long as one that touches usually is.
    """
    middle = runs[:, 1:3].mean(1) * hop_seconds
    if not len(middle):
        return np.zeros((0, 2))
    gaps = np.diff(middle)
    touching = gaps <= TOUCHING_SECONDS
    half = np.median(gaps[touching]) / 2 if touching.any() else hop_seconds
    meeting = (middle[1:] + middle[:-1]) / 2
    starts = np.append(middle[0] - half, np.where(touching, meeting, middle[1:] - half))
    ends = np.append(np.where(touching, meeting, middle[:-1] + half), middle[-1] + half)
    return np.clip(np.stack([starts, ends], 1), 0.0, seconds)
