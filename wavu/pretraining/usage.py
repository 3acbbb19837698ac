"""How often codes are used, how evenly, and which languages use them alike.

Shapes: N frames, G codebooks of K codes each, P languages, speakers or other parts of the speech.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import entr
from sklearn.decomposition import PCA


def used(codes: np.ndarray, *, size: int) -> np.ndarray:
    """How many frames take each code (G, K). codes: (N, G). size: K.

    >>> used(np.array([[0, 2], [0, 1]]), size=3)
    array([[2, 0, 0],
           [0, 1, 1]])
    """
    return np.stack([np.bincount(column, minlength=size) for column in codes.T])


def together(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes (N, G) as one: the combinations that occur (J, G), in order, and which of them each frame takes (N,)."""
    one = np.zeros(len(codes), np.int64)
    for column in codes.T:  # a number for each combination: sorting these is far quicker than sorting rows
        one = one * (int(codes.max(initial=0)) + 1) + column
    _, first, number = np.unique(one, return_index=True, return_inverse=True)
    return codes[first], number


def perplexity(counts: np.ndarray) -> np.ndarray:
    """Exponential of the entropy of counts (..., K): how many codes, used evenly, would be as hard to guess.

    >>> perplexity(np.array([[5, 5, 0], [7, 0, 0]]))
    array([2., 1.])
    """
    return np.exp(entr(counts / counts.sum(axis=-1, keepdims=True)).sum(axis=-1))


def alike(usage: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Places of P languages in a plane (P, 2), near each other where they use the same codes, and the axes' shares of the variance (2,).

    usage: how many frames of each take each code (G, K). As Conneau et al. 2020 (XLSR), PCA of the shares that the codes have;
    here of their square roots, so that a few frequent codes, silence above all, do not hide the others (Hellinger's distance).
    """
    shares = [np.sqrt(counts / counts.sum(axis=1, keepdims=True)).reshape(-1) for counts in usage]
    pca = PCA(n_components=2, svd_solver="full").fit(shares)
    return pca.transform(shares), pca.explained_variance_ratio_
