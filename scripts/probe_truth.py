"""Which stage of a decipherment is the weakest? Each is started from the truth and compared with what was found without it.

    python scripts/probe_truth.py AUDIO_DIR TEXT_DIR REFERENCES.tsv [FOUND_DIR]

The references are aligned to the segments in rounds, by a classifier that is taught with them: this is a diagnosis and never part
of learning. Printed for each stage: its own loss or log likelihood, and PER, of the truth, after descent from the truth, and of what
was found (FOUND_DIR of wavu.decipher_segments): where the truth is worth less than what was found, the model is wrong, not the search.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor

from wavu.audio.kmeans import assign, fit_kmeans
from wavu.decipher.channel import passed
from wavu.decipher.classifier import Classifier, Whitening
from wavu.decipher.full_sum import full_sum, posteriors
from wavu.decipher.grammar import Grammar
from wavu.decipher.matching import skipgrams
from wavu.decipher.table import distance
from wavu.prepared import Speech, Text
from wavu.ragged import Ragged
from wavu.references import read_references
from wavu.scoring.pairs import Sequences
from wavu.scoring.rates import phone_error_rate
from wavu.text.silence import phones_of

CLUSTERS, LAGS, ROUNDS, EXPONENT, SHRINKAGE, DIMS = 64, [1, 2, 3, 4, 5], 6, 0.35, 0.3, 128


def main() -> None:
    """Print the table."""
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    speech, text = Speech.read(Path(sys.argv[1])), Text.read(Path(sys.argv[2]))
    truth = read_references(Path(sys.argv[3]), Path(sys.argv[2]))
    V, offsets = len(text.phones) - 1, speech.segments.offsets
    features, taught = true_shares(speech, numbered(speech, text, truth), V)
    channel = {"copies": 3, "generator": np.random.default_rng(0)}
    grammar = Grammar.of(passed(phones_of(text), drop=0.1, double=0.1, **channel), V, order=3)
    said = skipgrams(passed(phones_of(text), drop=0.1, double=0.0, **channel), V, lags=LAGS, positions=1, margin=0).pairs
    units = assign(features.numpy(), fit_kmeans(features.numpy(), clusters=CLUSTERS, iterations=25, restarts=1, seed=0))
    heard = skipgrams(Ragged(units, offsets), CLUSTERS, lags=LAGS, positions=1, margin=0).pairs

    def rate(labels: np.ndarray) -> str:
        rows = Ragged(labels, offsets)
        named = {name: [text.phones[p] for p in row] for name, row in zip(speech.ids, rows.keep(rows.run_starts()), strict=True)}
        return f"{phone_error_rate(named, {name: truth[name] for name in named if name in truth}).rate:.3f}"

    table = Table("stage", "figure", "PER")
    classifier = Classifier.fit(features, taught, shrinkage=SHRINKAGE).log_likelihood(features)
    table.add_row("segments: a classifier that was taught", "", rate(classifier.argmax(1).numpy()))
    best = by_cluster(taught, units)
    table.add_row("table: the truth", f"loss {distance(best[None], heard, said).item():.4f}", rate(best.argmax(1).numpy()[units]))
    descended, loss = descend(best, heard, said)
    table.add_row("table: after descent from the truth", f"loss {loss:.4f}", rate(descended.argmax(1).numpy()[units]))
    shares, fit = posteriors(EXPONENT * classifier, grammar, offsets)
    table.add_row("full sum: the truth's classifier", "", rate(shares.argmax(1).numpy()))
    shares, fit = full_sum(features, taught, grammar, offsets, rounds=ROUNDS, exponent=EXPONENT, shrinkage=SHRINKAGE)
    table.add_row(f"full sum: {ROUNDS} rounds from the truth", f"log likelihood {fit:.4f}", rate(shares.argmax(1).numpy()))
    if len(sys.argv) == 5:
        found = Ragged.read(Path(sys.argv[4]), "labels").flat.astype(np.int64)
        table.add_row("found: the labels", "", rate(found))
        own = by_cluster(F.one_hot(torch.from_numpy(found), V).float(), units)
        table.add_row(
            "found: as a table", f"loss {distance(own[None], heard, said).item():.4f}", rate(own.argmax(1).numpy()[units])
        )
    Console().print(table)


def numbered(speech: Speech, text: Text, truth: Sequences) -> list[np.ndarray]:
    """Numbers of the true phones of each utterance."""
    number = {phone: index for index, phone in enumerate(text.phones)}
    return [np.array([number[phone] for phone in truth.get(name, []) if phone in number], int) for name in speech.ids]


def true_shares(speech: Speech, said: list[np.ndarray], V: int) -> tuple[Tensor, Tensor]:
    """White features (S, D) of the segments, and the shares (S, V) of the true phones in them."""
    features = Whitening.fit(speech.segments.flat, dims=DIMS)(speech.segments.flat)
    return features, teach(features, speech.segments.offsets, [row.tolist() for row in said], V)


def teach(features: Tensor, offsets: np.ndarray, truth: list[list[int]], V: int) -> Tensor:
    """Shares (S, V) of the true phones in segments: spread evenly, then aligned with what a classifier makes of them."""
    labels = np.zeros(offsets[-1], np.int64)
    for row, (begin, end) in zip(truth, zip(offsets[:-1], offsets[1:], strict=True), strict=True):
        if row:
            labels[begin:end] = np.array(row)[np.arange(end - begin) * len(row) // max(1, end - begin)]
    for _ in range(ROUNDS):
        scores = Classifier.fit(features, F.one_hot(torch.from_numpy(labels), V).float(), shrinkage=SHRINKAGE)
        scores = scores.log_likelihood(features).log_softmax(1).numpy()
        for row, (begin, end) in zip(truth, zip(offsets[:-1], offsets[1:], strict=True), strict=True):
            if row and end > begin:
                labels[begin:end] = aligned(scores[begin:end], np.array(row))
    return F.one_hot(torch.from_numpy(labels), V).float()


def aligned(scores: np.ndarray, phones: np.ndarray) -> np.ndarray:
    """The phone of each segment: those of the line in their order, each 0, 1 or more segments, at most one left out at a time."""
    scores, places = scores[:, phones], np.arange(len(phones))
    best, moves = np.where(places < 2, scores[0], -np.inf), []
    for row in scores[1:]:
        before = np.stack([best, np.append(-np.inf, best[:-1]), np.append([-np.inf, -np.inf], best[:-2])[: len(best)] - 2.0])
        moves.append(before.argmax(0))
        best = before.max(0) + row
    place = int(best[-2:].argmax()) + max(0, len(best) - 2)
    path = [place]
    for move in reversed(moves):
        place -= int(move[place])
        path.append(place)
    return phones[np.array(path[::-1])]


def by_cluster(shares: Tensor, units: np.ndarray) -> Tensor:
    """Shares (S, V) as a table (K, V) over clusters."""
    sums = torch.zeros(CLUSTERS, shares.shape[1]).index_add_(0, torch.from_numpy(units.astype(np.int64)), shares)
    return (sums + 1e-3) / (sums + 1e-3).sum(1, keepdim=True)


def descend(table: Tensor, heard: Tensor, said: Tensor) -> tuple[Tensor, float]:
    """The table after Adam, and its loss."""
    logits = table.log().requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=0.03)
    for _ in range(400):
        loss = distance(torch.softmax(logits, -1)[None], heard, said).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return torch.softmax(logits, -1).detach(), loss.item()


if __name__ == "__main__":
    main()
