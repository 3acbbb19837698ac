"""Models learned from aligned frames: what was planted is found, in parts as at once, and comes back from disk."""

import numpy as np
import pytest
import torch

from wavu.acoustic import model as models
from wavu.acoustic.gaussians import Mixtures
from wavu.acoustic.model import AcousticModel, fit_mixtures, fit_transform, parts, stays
from wavu.acoustic.transform import unchanged
from wavu.decipher.grammar import Grammar
from wavu.decipher.viterbi import begins, best_states
from wavu.ragged import Ragged

CPU = torch.device("cpu")
V, N_STATES, DIM = 4, 2, 6
S = V * N_STATES


def spoken(count: int, seed: int, noise: float = 1.0) -> tuple[Ragged, Ragged]:
    """Frames (N, 6) that gaussians of eight sub-states put out, far apart in three directions and turned; the sub-state of each."""
    rng = np.random.default_rng(seed)
    world = np.random.default_rng(7)
    means, turn = np.zeros((S, DIM)), np.linalg.qr(world.normal(size=(DIM, DIM)))[0]
    means[:, :3] = 4 * world.normal(size=(S, 3))
    rows = []
    for _ in range(count):
        phones = np.cumsum(rng.integers(1, 3, rng.integers(4, 9))) % V
        states = [np.repeat([v * N_STATES + i for i in range(N_STATES)], rng.integers(1, 4, N_STATES)) for v in phones]
        rows.append(np.concatenate(states))
    states = Ragged.of(rows, np.int16)
    frames = (means[states.flat] + noise * rng.normal(size=(len(states.flat), DIM))) @ turn
    return Ragged(frames.astype(np.float16), states.offsets), states


def learned(frames: Ragged, states: Ragged, gaussians: int) -> AcousticModel:
    transform = fit_transform(frames, states, n_states=S, reach=1, dim=4, iterations=5, device=CPU)
    mixtures = fit_mixtures(
        transform, frames, states, n_states=S, gaussians=gaussians, passes=2, least_frames=5.0, variance_floor=0.01
    )
    return AcousticModel(transform, mixtures, stays(states, (V, N_STATES), CPU))


@pytest.mark.parametrize("gaussians", [1, 2])
def test_planted_phones_are_decoded(gaussians: int) -> None:
    model = learned(*spoken(150, 0), gaussians)
    assert model.mixtures.weight.shape == (S, gaussians) and model.transform.matrix.shape == (3, DIM, 4)
    frames, states = spoken(40, 1)
    lines = Ragged(states.flat // N_STATES, states.offsets).keep(begins(states, N_STATES))
    grammar = Grammar.of(lines, V, order=2)
    found = best_states(model, grammar, frames, grammar_weight=1.0, phone_bonus=0.0)
    assert (found.flat == states.flat).mean() > 0.95
    alone = model.log_likelihood(frames).argmax(1).numpy()
    assert (alone == states.flat).mean() < (found.flat == states.flat).mean()  # the grammar helps


def test_the_density_is_that_of_the_planted_gaussians() -> None:
    frames, states = spoken(400, 0)
    mixtures = fit_mixtures(
        unchanged(DIM, CPU), frames, states, n_states=S, gaussians=1, passes=1, least_frames=5.0, variance_floor=0.01
    )
    for state in range(S):
        some = frames.flat[states.flat == state].astype(float)
        assert np.allclose(mixtures.mean[state, 0], some.mean(0), atol=1e-3)
        assert np.allclose(mixtures.variance[state, 0], some.var(0), atol=1e-2)


def test_speech_in_parts_teaches_what_it_teaches_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    frames, states = spoken(60, 0)
    whole = learned(frames, states, 2)
    monkeypatch.setattr(models, "_PART_FRAMES", 50)
    rows = list(parts(frames))
    assert len(rows) > 10 and np.concatenate(rows).tolist() == list(range(60))
    pieces = learned(frames, states, 2)
    assert torch.allclose(whole.log_likelihood(frames), pieces.log_likelihood(frames), atol=0.02)


def test_parts_of_utterances_without_frames() -> None:
    frames = Ragged.of([np.zeros((0, 2)), np.zeros((3, 2)), np.zeros((0, 2))], np.float32)
    assert np.concatenate(list(parts(frames))).tolist() == [0, 1, 2]


def test_stays_are_counted() -> None:
    states = Ragged.of([np.array([0, 0, 0, 1, 2, 3, 3]), np.array([0, 1])], np.int16)
    found = stays(states, (2, 2), CPU)
    assert torch.allclose(found, torch.tensor([[(4 - 2 + 1) / 6, 1 / 4], [1 / 3, (2 - 1 + 1) / 4]]))


def test_a_packed_model_comes_back() -> None:
    frames, states = spoken(60, 0)
    model = learned(frames, states, 2)
    back = AcousticModel.unpacked(model.packed(), CPU)
    assert isinstance(back.mixtures, Mixtures) and torch.equal(back.stay, model.stay)
    assert torch.equal(back.log_likelihood(frames), model.log_likelihood(frames))
