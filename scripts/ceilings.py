"""What the same frames and segments would give somebody who had transcripts: the ceilings that stand beside an unsupervised result.

    python scripts/ceilings.py AUDIO_DIR TEXT_DIR REFERENCES.tsv

A linear layer on the frames is taught with CTC and the references of the first half of the recordings, and hears the second half. The
best table is the one that names each cluster of segments as the references, aligned to them, do. Neither is part of learning.
"""

import sys
from itertools import count, islice
from pathlib import Path

import numpy as np
import torch
from probe_truth import CLUSTERS, DIMS, by_cluster, teach

from wavu.audio.kmeans import assign, fit_kmeans
from wavu.decipher.classifier import Whitening
from wavu.decode import ctc
from wavu.evaluate import phone_error_rate, read_references
from wavu.feed import shuffled
from wavu.store import Ragged, Speech, Text
from wavu.student.train import ctc_loss

UPDATES, RATE, BATCH_FRAMES = 1_500, 3e-3, 2_000


def ceilings(audio: Path, text_dir: Path, references: Path) -> dict[str, float]:
    """PER of the linear probe and of the best table."""
    speech, text, truth = Speech.read(audio), Text.read(text_dir), read_references(references, text_dir)
    number = {phone: index for index, phone in enumerate(text.phones)}
    said = [np.array([number[phone] for phone in truth.get(name, []) if phone in number], int) for name in speech.ids]
    found = linear_probe(speech.frames, said, len(text.phones) - 1)
    half = len(said) // 2
    return {"linear_probe": rate(found, said[half:]), "best_table": rate(best_table(speech, said, len(text.phones) - 1), said)}


def linear_probe(frames: Ragged, said: list[np.ndarray], n_phones: int) -> list[np.ndarray]:
    """Phones of the second half of the utterances, by a linear layer on their frames (N, d) that learned from the first half."""
    torch.manual_seed(0)
    half, chance = len(said) // 2, np.random.default_rng(0)
    layer = torch.nn.Linear(frames.flat.shape[1], 1 + n_phones)
    taught = [row for row in range(half) if 0 < len(said[row]) < frames.lengths[row]]
    lengths = frames.lengths[taught].astype(float)
    batches = list(islice((batch for _ in count() for batch in shuffled(lengths, BATCH_FRAMES, chance)), UPDATES))
    optimiser = torch.optim.AdamW(layer.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, UPDATES)
    for batch in batches:
        rows = [taught[place] for place in batch]
        heard = torch.nn.utils.rnn.pad_sequence(
            [torch.from_numpy(np.asarray(frames[row], np.float32)) for row in rows], batch_first=True
        )
        own = torch.from_numpy(frames.lengths[rows].astype(np.int64))
        optimiser.zero_grad()
        ctc_loss(layer(heard).log_softmax(-1), own, [said[row] for row in rows]).backward()
        optimiser.step()
        schedule.step()
    with torch.inference_mode():
        scores = (layer(torch.from_numpy(np.asarray(frames[row], np.float32))) for row in range(half, len(said)))
        return [ctc.greedy(row.log_softmax(-1).numpy())[0][:, 0] for row in scores]


def best_table(speech: Speech, said: list[np.ndarray], n_phones: int) -> list[np.ndarray]:
    """Phones of all utterances, each cluster of segments having the name that most of its segments have."""
    features = Whitening.fit(speech.segments.flat, dims=DIMS)(speech.segments.flat)
    taught = teach(features, speech.segments.offsets, [row.tolist() for row in said], n_phones)
    units = assign(features.numpy(), fit_kmeans(features.numpy(), clusters=CLUSTERS, iterations=25, restarts=1, seed=0))
    named = Ragged(by_cluster(taught, units).argmax(1).numpy()[units], speech.segments.offsets)
    return list(named.keep(named.run_starts()))


def rate(found: list[np.ndarray], said: list[np.ndarray]) -> float:
    """PER of phone numbers."""
    sides = ({str(row): list(map(str, phones)) for row, phones in enumerate(side)} for side in (found, said))
    return round(phone_error_rate(*sides).rate, 4)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    print(ceilings(*map(Path, sys.argv[1:])))
