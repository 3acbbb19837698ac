"""The full sum equals brute force over all sequences, and repairs planted errors."""

from itertools import product

import numpy as np
import torch
import torch.nn.functional as F

from wavu.decipher.full_sum import full_sum, posteriors
from wavu.decipher.grammar import Grammar
from wavu.ragged import Ragged

RNG = np.random.default_rng(0)


def text(transition: np.ndarray, lines: int, length: int) -> Ragged:
    rows = []
    for _ in range(lines):
        row = [RNG.integers(len(transition))]
        while len(row) < length:
            row.append(RNG.choice(len(transition), p=transition[row[-1]]))
        rows.append(np.array(row))
    return Ragged.of(rows, np.int16)


def test_posteriors_equal_brute_force() -> None:
    V, S = 3, 5
    grammar = Grammar.of(text(RNG.dirichlet(np.ones(V), V), 40, 6), V, order=3)
    scores = torch.from_numpy(RNG.normal(0, 1, (S, V))).float()
    found, per_segment = posteriors(scores, grammar, np.array([0, S]))
    first, following, last = grammar.first.numpy(), grammar.next.numpy(), grammar.last.numpy()
    total, expected = 0.0, np.zeros((S, V))
    for path in product(range(V), repeat=S):
        weight = first[path[0]] * np.exp(scores[range(S), list(path)].double().sum().item())
        before = V  # the beginning of the utterance
        for one, other in zip(path, path[1:], strict=False):
            weight *= following[before, one, other]
            before = one
        weight *= last[before, path[-1]]
        total += weight
        expected[range(S), list(path)] += weight
    np.testing.assert_allclose(found.numpy(), expected / total, atol=1e-4)
    assert abs(per_segment - np.log(total) / S) < 1e-4


def test_half_right_names_become_right() -> None:
    V = 6
    torch.manual_seed(0)
    transition = RNG.dirichlet(np.full(V, 0.4), V)
    lines, spoken = text(transition, 300, 30), text(transition, 200, 30)
    centres = RNG.normal(0, 1.2, (V, 10))
    features = torch.from_numpy(centres[spoken.flat] + RNG.normal(0, 0.7, (len(spoken.flat), 10))).float()
    features = (features - features.mean(0)) / features.std(0)
    truth = torch.from_numpy(spoken.flat.astype(int))
    guess = torch.where(torch.rand(len(truth)) < 0.5, torch.randint(V, (len(truth),)), truth)
    shares, _ = full_sum(
        features, F.one_hot(guess, V).float() + 0.05, Grammar.of(lines, V, order=3), spoken.offsets,
        rounds=6, exponent=0.7, shrinkage=0.3,
    )  # fmt: skip
    before, after = (guess == truth).float().mean(), (shares.argmax(1) == truth).float().mean()
    assert before < 0.65 and after > 0.9
