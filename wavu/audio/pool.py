"""One vector per segment: the mean of its rows."""

import numpy as np


def mean_pool(rows: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Mean over each run of rows.

    rows (N, d), starts (S,) ascending from 0 -> (S, d) float32; run s is ``rows[starts[s]:starts[s + 1]]``.

    >>> mean_pool(np.array([[1.0], [3.0], [7.0]]), np.array([0, 2]))
    array([[2.],
           [7.]], dtype=float32)
    """
    lengths = np.diff(starts, append=len(rows)).astype(np.float32)
    return np.add.reduceat(rows, starts, axis=0, dtype=np.float32) / lengths[:, None]
