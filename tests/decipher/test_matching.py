"""Skipgrams against loops, and a planted sound of each phone found from statistics of another sample."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavu.decipher.matching import Skipgrams, delays, match, skipgrams, speak, surprise
from wavu.ragged import Ragged

PHONES, UNITS = 6, 12  # the last phone is silence
COUNTED = {"lags": [3, 5, 7, 10, 13, 17], "positions": 20, "margin": 6}


def language(n_lines: int, seed: int) -> Ragged:
    """Lines of a Markov chain, few phones after each phone: one language, of which every seed is another sample."""
    rules = np.random.default_rng(99)
    first, after = rules.dirichlet(np.full(PHONES - 1, 0.4)), rules.dirichlet(np.full(PHONES, 0.4), PHONES)
    after[np.arange(PHONES), np.arange(PHONES)] = 0
    after /= after.sum(1, keepdims=True)
    rng = np.random.default_rng(seed)
    lines = []
    for length in rng.integers(6, 14, n_lines):
        line = [rng.choice(PHONES - 1, p=first)]
        while len(line) < length or line[-1] == PHONES - 1:
            line.append(rng.choice(PHONES, p=after[line[-1]]))
        lines.append(np.array(line))
    return Ragged.of(lines, np.int16)


def utterances(n_lines: int, seed: int, sounds: np.ndarray) -> tuple[Ragged, Ragged]:
    """Units (N) of that language spoken with 0 to 4 frames of silence at both ends, and the phone of each (N); sounds (V, K)."""
    rng = np.random.default_rng(seed)
    said = speak(language(n_lines, seed), np.full(PHONES, 4.0), regularity=15.0, generator=rng)
    quiet = [np.full(frames, PHONES - 1) for frames in rng.integers(0, 5, 2 * n_lines)]
    rows = [np.concatenate(row) for row in zip(quiet[::2], said, quiet[1::2], strict=True)]
    labels = Ragged.of(rows, np.int16)
    cumulative = np.cumsum(sounds, 1)[labels.flat]
    heard = (rng.random((len(labels.flat), 1)) > cumulative).sum(1).clip(max=UNITS - 1)
    return Ragged(heard, labels.offsets), labels


@pytest.fixture(scope="module")
def sounds() -> np.ndarray:
    """What each phone sounds like (V, K): two units of its own, and a little of all others."""
    rng = np.random.default_rng(5)
    own = np.repeat(np.eye(PHONES), 2, axis=1)[:, rng.permutation(UNITS)] * rng.uniform(0.5, 1, UNITS)
    return 0.92 * own / own.sum(1, keepdims=True) + 0.08 / UNITS


@given(st.lists(st.lists(st.integers(0, 3), max_size=9), min_size=1, max_size=5), st.integers(0, 2))
@settings(max_examples=40, deadline=None)
def test_skipgrams_are_those_of_a_loop(rows: list[list[int]], margin: int) -> None:
    lags, positions = [1, 2, 4], 3
    symbols = Ragged.of([np.array(row) for row in rows], np.int16)
    counted = skipgrams(symbols, 4, lags=lags, positions=positions, margin=margin)
    pairs, ends = np.zeros((3, 4, 4)), np.zeros((2, positions, 4))
    for row in rows:
        inside = row[margin : len(row) - margin]
        for j, lag in enumerate(lags):
            for one, other in zip(inside, inside[lag:], strict=False):
                pairs[j, one, other] += 1
        for q in range(min(positions, len(row))):
            ends[0, q, row[q]] += 1
            ends[1, q, row[-1 - q]] += 1
    assert np.allclose(counted.pairs, pairs / np.maximum(pairs.sum((1, 2), keepdims=True), 1), atol=1e-6)
    assert np.allclose(counted.ends, ends / np.maximum(ends.sum(2, keepdims=True), 1), atol=1e-6)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=4), st.sampled_from([0.3, 15.0]))
@settings(max_examples=30, deadline=None)
def test_speaking_keeps_every_phone_in_its_place(lengths: list[int], regularity: float) -> None:
    numbered = np.split(np.arange(sum(lengths)), np.cumsum(lengths)[:-1])  # all different, so that none melts into its neighbour
    lines = Ragged.of(numbered, np.int64)
    frames = speak(lines, np.full(sum(lengths), 2.0), regularity=regularity, generator=np.random.default_rng(0))
    assert [list(dict.fromkeys(row.tolist())) for row in frames] == [row.tolist() for row in numbered]


def test_speaking_lasts_as_long_as_asked() -> None:
    line = Ragged.of([np.tile([0, 1], 4000)], np.int16)
    frames = speak(line, np.array([3.0, 8.0]), regularity=15.0, generator=np.random.default_rng(0))
    durations = np.diff(np.append(np.flatnonzero(frames.run_starts()), len(frames.flat)))
    assert durations[0::2].mean() == pytest.approx(3, abs=0.05) and durations[1::2].mean() == pytest.approx(8, abs=0.1)
    assert durations[1::2].std() == pytest.approx(8 / 15**0.5, abs=0.1)


def test_planted_sounds_are_found(sounds: np.ndarray) -> None:
    units, labels = utterances(500, 1, sounds)
    text = speak(language(500, 2), np.full(PHONES, 4.0), regularity=15.0, generator=np.random.default_rng(3))
    found, loss = match(
        skipgrams(units, UNITS, **COUNTED),
        skipgrams(text, PHONES, **COUNTED),
        torch.full((UNITS,), 1 / UNITS),
        restarts=4,
        steps=200,
        learning_rate=0.1,
        longest_silence=6,
        generator=torch.Generator().manual_seed(0),
    )
    assert loss.tolist() == sorted(loss.tolist())
    shares = np.bincount(labels.flat, minlength=PHONES)[:, None]
    for emission in found:
        right = ((emission.numpy() * shares).argmax(0)[units.flat] == labels.flat).mean()
        assert right > 0.9
    assert np.abs(found[0].numpy() - sounds).max() < 0.1


def test_silence_of_any_length_is_put_before_the_ends() -> None:
    ends = torch.eye(3)[torch.tensor([[0, 1, 0, 1], [1, 1, 0, 0]])]  # (2, Q, V); phone 2 is silence
    said = delays(ends, 2).argmax(-1)
    assert said[:, 0].tolist() == [[0, 1, 0, 1], [2, 0, 1, 0], [2, 2, 0, 1]]
    assert said[:, 1].tolist() == [[1, 1, 0, 0], [2, 1, 1, 0], [2, 2, 1, 1]]


def test_the_surprise_is_least_at_the_truth_and_has_a_slope_elsewhere(sounds: np.ndarray) -> None:
    text = skipgrams(language(300, 2), PHONES, lags=[1, 2], positions=2, margin=0)
    truth = torch.from_numpy(sounds).float()
    heard = Skipgrams(torch.einsum("vk,jvw,wl->jkl", truth, text.pairs, truth), text.ends @ truth)
    swapped = truth[[1, 0, *range(2, PHONES)]]
    emission = torch.stack([truth, swapped, torch.eye(PHONES, UNITS)]).requires_grad_()  # the last one rules out half the units
    loss = surprise(emission, text.ends.expand(3, -1, -1, -1), heard, text)
    assert loss[0] < loss[1] < loss[2]
    loss.sum().backward()
    assert torch.isfinite(loss).all() and torch.isfinite(emission.grad).all() and (emission.grad[1:].abs().amax((1, 2)) > 0).all()


def test_the_surprise_is_the_cross_entropy_of_a_loop() -> None:
    drawn = np.random.default_rng(0).dirichlet
    E = drawn(np.ones(3), 2)  # two phones, three units
    heard_pairs, said_pairs = drawn(np.ones(9), 2).reshape(2, 3, 3), drawn(np.ones(4), 2).reshape(2, 2, 2)
    heard_ends, said_ends = drawn(np.ones(3), (2, 4)), drawn(np.ones(2), (2, 4))
    between = np.mean([-(c * np.log(E.T @ t @ E)).sum() for c, t in zip(heard_pairs, said_pairs, strict=True)])
    at_ends = np.mean([[-(heard_ends[e, q] * np.log(said_ends[e, q] @ E)).sum() for e in range(2)] for q in range(4)])
    as_tensor = lambda array: torch.from_numpy(array).float()  # noqa: E731
    heard, said = (
        Skipgrams(as_tensor(pairs), as_tensor(ends)) for pairs, ends in ((heard_pairs, heard_ends), (said_pairs, said_ends))
    )
    assert surprise(as_tensor(E)[None], said.ends[None], heard, said).item() == pytest.approx(between + at_ends, abs=1e-4)
