"""One vector per segment: the mean of its rows."""

import numpy as np

from wavu.ragged import Ragged


def mean_pool(rows: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Mean over each run of rows.

    rows (N, d), starts (S,) ascending from 0 -> (S, d) float32; run s is ``rows[starts[s]:starts[s + 1]]``.

    >>> mean_pool(np.array([[1.0], [3.0], [7.0]]), np.array([0, 2]))
    array([[2.],
           [7.]], dtype=float32)
    """
    lengths = np.diff(starts, append=len(rows)).astype(np.float32)
    return np.add.reduceat(rows, starts, axis=0, dtype=np.float32) / lengths[:, None]


def pool_runs(frames: Ragged, labels: Ragged) -> tuple[Ragged, Ragged, Ragged]:
    """Frames (N, d) with a label each (N) -> mean of each run of one label (S, d), its first frame (S), its label (S)."""
    edges = np.flatnonzero(labels.run_starts())
    offsets = np.searchsorted(edges, labels.offsets)
    starts = edges - np.repeat(labels.offsets[:-1], np.diff(offsets))
    means, said = mean_pool(frames.flat, edges).astype(np.float16), np.asarray(labels.flat)[edges]
    return Ragged(means, offsets), Ragged(starts.astype(np.int32), offsets), Ragged(said, offsets)
