"""Connectionist temporal classification: what a student's log probabilities say, and when (Graves et al. 2006).

Shapes: N frames, P tokens with the blank as column 0, R phones said.
"""

import numpy as np

from wavu.decode.greedy import runs

BLANK = 0
# A phone is marked by a frame or two near its middle. Marks closer than this belong to phones that touch.
TOUCHING_SECONDS = 0.25


def greedy(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Best path of log probabilities (N, P): phone (column - 1), first frame and end frame of each run (R, 3) int64, and how probable it is (R).

    The probability is the mean over the frames of the run.
    """
    found = runs(scores.argmax(1), silence=BLANK)
    totals = np.append(0.0, np.exp(scores.max(1)).cumsum())
    probability = (totals[found[:, 2]] - totals[found[:, 1]]) / (found[:, 2] - found[:, 1])
    return found - [1, 0, 0], probability


def spans(found: np.ndarray, *, hop_seconds: float, seconds: float) -> np.ndarray:
    """When each of the runs (R, 3) of :func:`greedy` was said, (R, 2) in seconds.

    A network trained with CTC marks phones; it does not say where they begin. Here phones that touch meet half way between
    their marks, and before and after a pause a phone is as long as one that touches usually is.
    """
    middle = found[:, 1:].mean(1) * hop_seconds
    if not len(middle):
        return np.zeros((0, 2))
    gaps = np.diff(middle)
    touching = gaps <= TOUCHING_SECONDS
    half = np.median(gaps[touching]) / 2 if touching.any() else hop_seconds
    meeting = (middle[1:] + middle[:-1]) / 2
    starts = np.append(middle[0] - half, np.where(touching, meeting, middle[1:] - half))
    ends = np.append(np.where(touching, meeting, middle[:-1] + half), middle[-1] + half)
    return np.clip(np.stack([starts, ends], 1), 0.0, seconds)
