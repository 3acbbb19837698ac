"""Mixtures against scikit-learn's, statistics in pieces against statistics at once."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.mixture import GaussianMixture

from wavu.acoustic import gaussians
from wavu.acoustic.gaussians import Mixtures, Statistics, one_for_all

CPU = torch.device("cpu")


def some_mixtures(S: int, G: int, D: int, seed: int) -> Mixtures:
    rng = np.random.default_rng(seed)
    parts = rng.dirichlet(np.ones(G), S), 2 * rng.normal(size=(S, G, D)), rng.uniform(0.3, 2.0, (S, G, D))
    return Mixtures(*(torch.from_numpy(part).float() for part in parts))


def some_frames(N: int, D: int, seed: int) -> torch.Tensor:
    return torch.from_numpy(3 * np.random.default_rng(seed).normal(size=(N, D))).float()


def stranger(mixtures: Mixtures, state: int) -> GaussianMixture:
    """One sub-state as scikit-learn has it."""
    weight, mean, variance = (part[state].double().numpy() for part in vars(mixtures).values())
    model = GaussianMixture(len(weight), covariance_type="diag", weights_init=weight / weight.sum(), means_init=mean, reg_covar=0)
    model.weights_, model.means_, model.covariances_ = weight, mean, variance
    model.precisions_cholesky_ = 1 / np.sqrt(variance)
    return model


def test_densities_are_those_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    mixtures, frames = some_mixtures(3, 4, 5, 0), some_frames(50, 5, 1)
    scores = mixtures.log_likelihood(frames)
    for state in range(3):
        assert np.allclose(scores[:, state], stranger(mixtures, state).score_samples(frames.numpy()), atol=1e-3)
    monkeypatch.setattr(gaussians, "_CHUNK_FLOATS", 12 * 7)
    assert torch.allclose(mixtures.log_likelihood(frames), scores, atol=1e-4)


def test_one_step_is_that_of_scikit_learn() -> None:
    mixtures, frames = some_mixtures(1, 3, 2, 0), some_frames(400, 2, 1)
    statistics = Statistics(mixtures)
    statistics.add(frames, torch.ones(400, 1))
    after = statistics.maximised(least_frames=0.0, variance_floor=0.0)
    theirs = stranger(mixtures, 0)
    _, log_share = theirs._e_step(frames.double().numpy())
    theirs._m_step(frames.double().numpy(), log_share)
    assert np.allclose(after.weight[0], theirs.weights_, atol=1e-4)
    assert np.allclose(after.mean[0], theirs.means_, atol=1e-3)
    assert np.allclose(after.variance[0], theirs.covariances_, atol=1e-2)


@given(seed=st.integers(0, 10_000), cut=st.integers(1, 59))
@settings(max_examples=10, deadline=None)
def test_frames_in_pieces_teach_what_they_teach_at_once(seed: int, cut: int) -> None:
    mixtures, frames = some_mixtures(2, 2, 3, seed), some_frames(60, 3, seed)
    occupied = torch.from_numpy(np.random.default_rng(seed).dirichlet([1, 1], 60)).float()
    whole, pieces = Statistics(mixtures), Statistics(mixtures)
    whole.add(frames, occupied)
    for part in (slice(None, cut), slice(cut, None)):
        pieces.add(frames[part], occupied[part])
    for name in ("count", "first", "second"):
        assert torch.allclose(getattr(whole, name), getattr(pieces, name), rtol=1e-4, atol=1e-4)
    assert whole.log_likelihood == pytest.approx(pieces.log_likelihood, rel=1e-5)


@given(seed=st.integers(0, 10_000), G=st.sampled_from([1, 2, 4]))
@settings(max_examples=10, deadline=None)
def test_every_pass_explains_the_frames_better(seed: int, G: int) -> None:
    frames, states = some_frames(200, 3, seed), torch.from_numpy(np.random.default_rng(seed).integers(0, 2, 200))
    frames[states == 1] += 2
    mixtures, before = some_mixtures(2, G, 3, seed), -np.inf
    for _ in range(6):
        statistics = Statistics(mixtures)
        statistics.add(frames, torch.nn.functional.one_hot(states, 2).float())
        assert statistics.log_likelihood > before - 0.05
        before = statistics.log_likelihood
        mixtures = statistics.maximised(least_frames=0.0, variance_floor=1e-3)


def test_planted_gaussians_are_found_by_splitting() -> None:
    """Two clouds in one sub-state: one gaussian covers both, its halves go each to its own."""
    rng = np.random.default_rng(0)
    frames = torch.from_numpy(np.concatenate([rng.normal([-4, 0], 1, (300, 2)), rng.normal([4, 1], 0.5, (100, 2))])).float()
    mixtures = one_for_all(1, 2, CPU)
    for turn in range(9):
        mixtures = mixtures.split() if turn == 1 else mixtures
        statistics = Statistics(mixtures)
        statistics.add(frames, torch.ones(400, 1))
        mixtures = statistics.maximised(least_frames=5.0, variance_floor=0.0)
    order = mixtures.mean[0, :, 0].argsort()
    assert torch.allclose(mixtures.weight[0, order], torch.tensor([0.75, 0.25]), atol=0.01)
    assert torch.allclose(mixtures.mean[0, order], torch.tensor([[-4.0, 0.0], [4.0, 1.0]]), atol=0.2)
    assert torch.allclose(mixtures.variance[0, order].sqrt(), torch.tensor([[1.0, 1.0], [0.5, 0.5]]), atol=0.15)


def test_halves_are_as_heavy_as_the_whole() -> None:
    mixtures = some_mixtures(2, 2, 3, 0)
    halves = mixtures.split()
    assert torch.allclose(halves.weight.sum(1), torch.ones(2))
    centre = (halves.weight[..., None] * halves.mean).sum(1)
    assert torch.allclose(centre, (mixtures.weight[..., None] * mixtures.mean).sum(1), atol=1e-6)


def test_a_sub_state_nobody_hears_sounds_like_all_speech_and_no_variance_vanishes() -> None:
    frames = torch.cat([torch.zeros(50, 2), torch.ones(50, 2)])  # the first sub-state hears one and the same frame
    statistics = Statistics(one_for_all(3, 2, CPU))
    statistics.add(frames, torch.nn.functional.one_hot(torch.arange(100) // 50, 3).float())
    found = statistics.maximised(least_frames=5.0, variance_floor=0.1)
    assert torch.allclose(found.mean[2, 0], frames.mean(0)) and torch.allclose(found.variance[2, 0], frames.var(0, correction=0))
    assert torch.allclose(found.variance[:2], torch.full((2, 1, 2), 0.1 * 0.25))
    assert torch.isfinite(found.log_likelihood(frames)).all()
