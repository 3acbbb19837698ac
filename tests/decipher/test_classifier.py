"""Whitening is scikit-learn's, the classifier its linear discriminant analysis; shrinkage makes it weaker."""

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from wavu.decipher.classifier import Classifier, Whitening

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(0, 2, (5, 8))
LABELS = RNG.integers(0, 5, 4_000)
ROWS = (CENTRES[LABELS] + RNG.normal(0, 1, (4_000, 8)) @ RNG.normal(0, 1, (8, 8))).astype(np.float32)


def test_whitening_is_pca() -> None:
    white = Whitening.fit(ROWS, dims=3)(ROWS).numpy()
    theirs = PCA(3, whiten=True).fit_transform(ROWS)
    np.testing.assert_allclose(np.abs(white), np.abs(theirs), atol=2e-3)


def test_more_dims_than_there_are_give_all() -> None:
    white = Whitening.fit(ROWS, dims=99)(ROWS).numpy()
    np.testing.assert_allclose(np.cov(white.T), np.eye(8), atol=1e-2)


def test_it_decides_as_linear_discriminant_analysis() -> None:
    white = Whitening.fit(ROWS, dims=8)(ROWS)
    shares = F.one_hot(torch.from_numpy(LABELS), 5).float()
    ours = Classifier.fit(white, shares, shrinkage=0.0).log_likelihood(white).argmax(1).numpy()
    theirs = LinearDiscriminantAnalysis(priors=np.full(5, 0.2)).fit(white.numpy(), LABELS).predict(white.numpy())
    assert (ours == theirs).mean() > 0.995


def test_shrinkage_makes_it_less_sure() -> None:
    white, shares = Whitening.fit(ROWS, dims=8)(ROWS), F.one_hot(torch.from_numpy(LABELS), 5).float()
    sure = [Classifier.fit(white, shares, shrinkage=s).log_likelihood(white).softmax(1).amax(1).mean() for s in (0.0, 0.3, 3.0)]
    assert sure[0] > sure[1] > sure[2]


def test_a_phone_that_nothing_belongs_to_is_finite() -> None:
    white, shares = Whitening.fit(ROWS, dims=8)(ROWS), F.one_hot(torch.from_numpy(LABELS), 6).float()
    assert Classifier.fit(white, shares, shrinkage=0.1).log_likelihood(white).isfinite().all()
