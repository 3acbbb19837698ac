"""One vector per segment: the mean of its rows."""

from functools import reduce

import numpy as np

from wavu.ragged import Ragged

SHORT = 8  # rows: up to so many np.add.reduceat adds one after another, as here to the last digit, in three times as long


def mean_pool(rows: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Mean over each run of rows.

    rows (N, d), starts (S,) ascending from 0 -> (S, d) float32; run s is ``rows[starts[s]:starts[s + 1]]``.

    >>> mean_pool(np.array([[1.0], [3.0], [7.0]]), np.array([0, 2]))
    array([[2.],
           [7.]], dtype=float32)
    """
    lengths = np.diff(starts, append=len(rows))
    total = np.empty((len(starts), *rows.shape[1:]), np.float32)
    for n in range(1, SHORT + 1):
        runs = np.flatnonzero(lengths == n)
        first, *rest = (rows[starts[runs] + row].astype(np.float32) for row in range(n))
        total[runs] = first + reduce(np.add, rest) if rest else first
    if (long := lengths > SHORT).any():
        begins = np.cumsum(lengths[long]) - lengths[long]
        total[long] = np.add.reduceat(rows[np.repeat(long, lengths)], begins, axis=0, dtype=np.float32)
    return total / lengths.astype(np.float32)[:, None]


def pool_runs(frames: Ragged, labels: Ragged) -> tuple[Ragged, Ragged, Ragged]:
    """Frames (N, d) with a label each (N) -> mean of each run of one label (S, d), its first frame (S), its label (S)."""
    edges = np.flatnonzero(labels.run_starts())
    offsets = np.searchsorted(edges, labels.offsets)
    starts = edges - np.repeat(labels.offsets[:-1], np.diff(offsets))
    means, said = mean_pool(frames.flat, edges).astype(np.float16), np.asarray(labels.flat)[edges]
    return Ragged(means, offsets), Ragged(starts.astype(np.int32), offsets), Ragged(said, offsets)
