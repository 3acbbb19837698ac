import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy

from wavu.pretraining.usage import alike, perplexity, together, used

CODES = st.integers(0, 9999).map(lambda seed: np.random.default_rng(seed).integers(0, 7, (50, 3)).astype(np.int16))


@settings(max_examples=20, deadline=None)
@given(CODES)
def test_used_counts_every_frame_once_per_codebook(codes: np.ndarray) -> None:
    counts = used(codes, size=9)
    assert counts.shape == (3, 9) and (counts.sum(axis=1) == 50).all()
    assert all(counts[book, code] == (codes[:, book] == code).sum() for book, code in np.ndindex(counts.shape))


@settings(max_examples=20, deadline=None)
@given(CODES)
def test_perplexity_is_scipys_and_never_beyond_the_greatest_possible(codes: np.ndarray) -> None:
    counts = used(codes, size=9)
    assert np.allclose(perplexity(counts), np.exp(entropy(counts, axis=1)))
    combinations, joint = together(codes)
    assert perplexity(counts).max() - 1e-9 <= perplexity(np.bincount(joint)) <= 50 + 1e-9
    assert np.array_equal(combinations[joint], codes) and np.array_equal(combinations, np.unique(codes, axis=0))


def test_codes_used_evenly_have_their_number_for_perplexity() -> None:
    assert perplexity(np.full(320, 5)) == pytest.approx(320) and perplexity(np.eye(320)[0]) == pytest.approx(1)


def drawn(shares: np.ndarray, frames: int, seed: int) -> np.ndarray:
    """How often each code is taken where the codebooks have these shares (G, K)."""
    generator = np.random.default_rng(seed)
    return np.stack([generator.multinomial(frames, row) for row in shares])


@pytest.mark.parametrize("seed", range(5))
def test_languages_that_share_codes_are_neighbours(seed: int) -> None:
    """Two of three languages are spoken with the same codes, more or less; the third mostly with others, and far more of it is heard."""
    shares = np.random.default_rng(seed).dirichlet(np.full(40, 0.3), size=(2, 2))
    first, second, third = shares[0], 0.85 * shares[0] + 0.15 * shares[1], shares[1]
    places, explained = alike([drawn(first, 2_000, seed), drawn(third, 50_000, seed), drawn(second, 2_000, seed)])
    apart = np.linalg.norm(places[:, None] - places, axis=-1)
    assert apart[0, 2] < 0.5 * min(apart[0, 1], apart[1, 2])
    assert explained[0] > explained[1] and explained.sum() == pytest.approx(1)  # three points lie in a plane


def test_how_much_of_a_language_is_heard_does_not_move_it() -> None:
    usage = [drawn(np.full((2, 40), 1 / 40), 1_000, seed) for seed in range(3)]
    assert np.allclose(alike(usage)[0], alike([3 * usage[0], *usage[1:]])[0])
