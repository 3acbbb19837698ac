"""From a flat start, sentences whose phones last as they like are aligned, and their sounds learned."""

import numpy as np
import torch

from wavu.decipher.reading import flat_start, learn
from wavu.decode.align import align
from wavu.decode.topology import Topology
from wavu.ragged import Ragged

V = 6  # the last of them silence


def test_a_flat_start_shares_frames_evenly() -> None:
    labels = flat_start(np.array([16, 3]), Ragged.of([np.array([0, 1]), np.array([2])], int), 5)
    assert [row.tolist() for row in labels] == [[5, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 5], [2, 2, 2]]


def test_planted_sounds_are_learned_and_boundaries_found() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 3, (V, 8))
    lines, truths = [], []
    for _ in range(150):
        line = rng.integers(0, V - 1, 12)
        durations = rng.integers(2, 9, 12)
        truth = np.concatenate([np.full(5, V - 1), np.repeat(line, durations), np.full(5, V - 1)])
        lines.append(line)
        truths.append(truth)
    truth = Ragged.of(truths, int)
    rows = torch.from_numpy(centres[truth.flat] + rng.normal(0, 1, (len(truth.flat), 8))).float()
    rows = (rows - rows.mean(0)) / rows.std(0)
    half = np.full((V, 2), np.log(0.5))
    topology = Topology.hmm(V, 2, log_stay=half, log_leave=half)

    def aligned(scores: np.ndarray, number: int) -> np.ndarray | None:
        columns = align(scores.repeat(2, axis=1), [lines[number]], topology)
        return None if columns is None else columns // 2

    changes = []
    start = flat_start(truth.lengths, Ragged.of(lines, int), V - 1)
    classifier, labels = learn(rows, start, aligned, n_phones=V, turns=6, shrinkage=0.1, report=changes.append)
    assert (start.flat == truth.flat).mean() < 0.75
    assert (labels.flat == truth.flat).mean() > 0.97
    assert (classifier.log_likelihood(rows).argmax(1).numpy() == truth.flat).mean() > 0.95
    assert changes[-1] < 0.01


def test_a_sentence_with_too_few_frames_keeps_its_flat_start() -> None:
    start = Ragged.of([np.array([0, 1, 0])], int)
    _, labels = learn(torch.randn(3, 2), start, lambda scores, number: None, n_phones=2, turns=2, shrinkage=0.1)
    assert labels.flat.tolist() == [0, 1, 0]
