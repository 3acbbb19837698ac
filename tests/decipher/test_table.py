"""Clusters that were drawn from text through a known channel get their names back, from counts alone."""

import numpy as np
import torch

from wavu.decipher.channel import passed
from wavu.decipher.matching import skipgrams
from wavu.decipher.table import distance, find_table
from wavu.ragged import Ragged

LAGS = [1, 2, 3]
RNG = np.random.default_rng(3)
V, K = 8, 16


def drawn(lines: int) -> Ragged:
    rng, rows = np.random.default_rng(1), []
    transition = rng.dirichlet(np.full(V, 0.3), V)
    for _ in range(lines):
        row = [0]
        while len(row) < 40:
            row.append(RNG.choice(V, p=transition[row[-1]]))
        rows.append(np.array(row))
    return Ragged.of(rows, np.int16)


def test_a_planted_table_is_found() -> None:
    generator = np.random.default_rng(0)
    channel = {"drop": 0.1, "double": 0.05, "copies": 1, "generator": generator}
    segments, text = passed(drawn(400), **channel), passed(drawn(400), **channel)
    owner = np.repeat(np.arange(V), K // V)[generator.permutation(K)]  # each phone has two clusters
    clusters = np.array([generator.choice(np.flatnonzero(owner == phone)) for phone in segments.flat])
    heard = skipgrams(Ragged(clusters, segments.offsets), K, lags=LAGS, positions=1, margin=0).pairs
    said = skipgrams(text, V, lags=LAGS, positions=1, margin=0).pairs
    tables, losses = find_table(
        heard, said, restarts=48, steps=300, learning_rate=0.1, generator=torch.Generator().manual_seed(0)
    )
    assert tables.shape == (48, K, V) and (losses.diff() >= 0).all()
    assert (tables[0].argmax(1).numpy() == owner).mean() >= 0.9
    truth = torch.nn.functional.one_hot(torch.from_numpy(owner), V).float()
    assert losses[0] <= distance(truth[None], heard, said)[0] + 0.05


def test_distance_is_that_of_a_plain_loop() -> None:
    heard, said = (torch.rand(2, n, n) for n in (4, 3))
    table = torch.rand(1, 4, 3).softmax(-1)
    plain = np.mean([np.abs(table[0].numpy().T @ heard[j].numpy() @ table[0].numpy() - said[j].numpy()).sum() for j in range(2)])
    np.testing.assert_allclose(distance(table, heard, said)[0], plain, rtol=1e-5)
