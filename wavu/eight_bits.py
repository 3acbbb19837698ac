"""Values in 8 bits: how many steps of its own width each dim lies from its middle."""

import numpy as np

LARGEST = 127
REACH = 6.0  # standard deviations; what lies further from the middle is put there


def step_widths(sample: np.ndarray) -> np.ndarray:
    """The width of a step in each dim (d,) float32, from a sample of values (n, d) around 0."""
    return (REACH / LARGEST * sample.std(0)).astype(np.float32)


def packed(values: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Values (N, d), each to the nearest of the steps (d,): (N, d) int8."""
    return np.rint(values / steps).clip(-LARGEST, LARGEST).astype(np.int8)


def unpacked(counts: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Values (N, d) float16 of what :func:`packed` made of them."""
    return (counts * steps).astype(np.float16)
