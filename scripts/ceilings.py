"""What the same frames and segments would give somebody who had transcripts: the ceilings that stand beside an unsupervised result.

    python scripts/ceilings.py AUDIO_DIR TEXT_DIR REFERENCES.tsv

The linear probe is that of scripts/probe_layers.py: a linear layer on the frames of at most 400 recordings, taught with CTC and the references
of four in five, which hears the fifth. The best table names each cluster of segments as the references, aligned to them, do. Neither is part
of learning.
"""

import sys
from pathlib import Path

import numpy as np
from probe_layers import probe
from probe_truth import CLUSTERS, by_cluster, numbered, true_shares

from wavu.audio.kmeans import assign, fit_kmeans
from wavu.prepared import Speech, Text
from wavu.ragged import Ragged
from wavu.references import read_references
from wavu.scoring.rates import phone_error_rate

PROBED = 400  # utterances: all of them lie in memory


def ceilings(audio: Path, text_dir: Path, references: Path) -> dict[str, float]:
    """PER of the linear probe and of the best table."""
    speech, text, truth = Speech.read(audio), Text.read(text_dir), read_references(references, text_dir)
    said = numbered(speech, text, truth)
    known = np.array([row for row, name in enumerate(speech.ids) if truth.get(name)])
    some = known[:: -(-len(known) // PROBED)]
    targets = [[text.phones[phone] for phone in said[row]] for row in some]
    linear = probe(speech.frames.take(some), targets, phones=text.phones[:-1], seed=0)
    return {"linear_probe": round(linear, 4), "best_table": rate(best_table(speech, said, len(text.phones) - 1), said)}


def best_table(speech: Speech, said: list[np.ndarray], n_phones: int) -> list[np.ndarray]:
    """Phones of all utterances, each cluster of segments having the name that most of its segments have."""
    features, taught = true_shares(speech, said, n_phones)
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
