"""Transforms against loops, scikit-learn's LDA, and a rotation that was planted."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from wavu.acoustic.transform import Covariances, Discriminant, Transform, semi_tied, unchanged
from wavu.ragged import Ragged

CPU = torch.device("cpu")


def some_frames(lengths: list[int], dim: int, seed: int) -> Ragged:
    rng = np.random.default_rng(seed)
    return Ragged.of([rng.normal(size=(length, dim)) for length in lengths], np.float32)


@given(seed=st.integers(0, 10_000), reach=st.integers(0, 3), lengths=st.lists(st.integers(1, 5), min_size=1, max_size=4))
@settings(max_examples=15, deadline=None)
def test_a_window_ends_with_its_utterance(seed: int, reach: int, lengths: list[int]) -> None:
    frames = some_frames(lengths, 2, seed)
    matrix = torch.from_numpy(np.random.default_rng(seed).normal(size=(2 * reach + 1, 2, 3))).float()
    plain = [
        sum(row[min(max(t + step, 0), len(row) - 1)] @ matrix[step + reach].numpy() for step in range(-reach, reach + 1))
        for row in frames
        for t in range(len(row))
    ]
    assert np.allclose(Transform(matrix)(frames), plain, atol=1e-5)
    more = torch.tensor([[1.0], [2.0], [-1.0]])
    assert torch.allclose(Transform(matrix).then(more)(frames), Transform(matrix)(frames) @ more, atol=1e-5)


def test_frames_can_stay_as_they_are() -> None:
    frames = Ragged(some_frames([3, 2], 4, 0).flat.astype(np.float16), np.array([0, 3, 5]))
    assert np.array_equal(unchanged(4, CPU)(frames), frames.flat.astype(np.float32))


def labelled(seed: int, reach: int) -> tuple[Ragged, np.ndarray, np.ndarray]:
    """Frames of four classes in runs, the class of each, and the windows written out."""
    rng = np.random.default_rng(seed)
    classes = np.repeat(rng.integers(0, 4, 200), 3)
    centres = rng.normal(size=(4, 5))
    flat = (centres[classes] + rng.normal(size=(600, 5)) @ rng.normal(size=(5, 5))).astype(np.float32)
    windows = np.concatenate([flat[np.clip(np.arange(600) + step, 0, 599)] for step in range(-reach, reach + 1)], 1)
    return Ragged(flat, np.array([0, 600])), classes, windows


@pytest.mark.parametrize("reach", [0, 1])
def test_discriminants_are_those_of_scikit_learn(reach: int) -> None:
    frames, classes, windows = labelled(0, reach)
    discriminant = Discriminant(dim=5, reach=reach, classes=4, device=CPU)
    discriminant.add(frames, torch.from_numpy(classes))
    found = discriminant.transform(3)(frames).numpy()
    theirs = LinearDiscriminantAnalysis(solver="eigen").fit(windows, classes).transform(windows)
    for one, other in zip(found.T, theirs.T, strict=True):  # the same directions, up to sign and size
        assert abs(np.corrcoef(one, other)[0, 1]) > 0.999
    within = found - np.stack([found[classes == c].mean(0) for c in range(4)])[classes]
    assert np.allclose(np.cov(within.T), np.eye(3), atol=0.05)


def test_sums_of_utterances_are_sums_of_all() -> None:
    frames, classes = some_frames([7, 30, 12], 3, 0), torch.from_numpy(np.random.default_rng(0).integers(0, 2, 49))
    whole, pieces = (Discriminant(dim=3, reach=2, classes=2, device=CPU) for _ in range(2))
    whole.add(frames, classes)
    for row in range(3):
        inside = slice(*frames.offsets[row : row + 2].tolist())
        pieces.add(frames.take(np.array([row])), classes[inside])
    for name in ("count", "first", "second"):
        assert torch.allclose(getattr(whole, name), getattr(pieces, name), atol=1e-4)


def test_covariances_are_those_of_each_class() -> None:
    frames, classes = torch.from_numpy(some_frames([90], 3, 0).flat), torch.arange(90) % 3
    classes[-88:] = classes[-88:].clamp(min=1)  # class 0 has a single frame, too few
    sums = Covariances(dim=3, classes=3, device=CPU)
    for part in (slice(None, 20), slice(20, None)):
        sums.add(frames[part], classes[part])
    covariances, counts = sums.of_classes()
    assert counts.tolist() == [int((classes == c).sum()) for c in (1, 2)]
    for found, c in zip(covariances, (1, 2), strict=True):
        assert np.allclose(found, np.cov(frames[classes == c].numpy().T, bias=True), atol=1e-3)


def gain(matrix: torch.Tensor, covariances: torch.Tensor, counts: torch.Tensor) -> float:
    """Log likelihood per frame of diagonal gaussians under the matrix, up to a constant."""
    variances = torch.einsum("di,cde,ei->ci", matrix, covariances, matrix)
    return (torch.linalg.slogdet(matrix)[1] - 0.5 * (counts / counts.sum()) @ variances.log().sum(1)).item()


@given(seed=st.integers(0, 10_000))
@settings(max_examples=8, deadline=None)
def test_a_planted_rotation_is_undone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    variances, counts = torch.from_numpy(rng.uniform(0.2, 5, (12, 4))), torch.from_numpy(rng.uniform(50, 500, 12))
    turn = torch.from_numpy(np.linalg.qr(rng.normal(size=(4, 4)))[0])
    covariances = turn @ torch.diag_embed(variances) @ turn.T
    gains = [gain(semi_tied(covariances, counts, iterations=n).double(), covariances, counts) for n in (0, 1, 2, 4, 8, 100)]
    assert (np.diff(gains) > -1e-6).all()
    best = -0.5 * ((counts / counts.sum()) @ variances.log().sum(1)).item()
    assert gains[0] < best - 0.01 and gains[-1] == pytest.approx(best, abs=0.01)
