"""What phones sound like when a synthetic voice reads the text: frames of read sentences, aligned with them from a flat start.

Nobody has to say where a phone begins: phones first share the frames of their sentence evenly, then alignment and a weak
classifier take turns (Viterbi training). Letters take the place of phones where the text is spelled in them: what a voice
makes of a spelling is learned on the way.
Shapes: N frames, V phones, the last of them silence.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wavu.decipher.classifier import Classifier
from wavu.ragged import Ragged

QUIET_FRAMES = 4  # at either end of a sentence, taken for silence in the flat start


def flat_start(lengths: np.ndarray, lines: Ragged, silence: int) -> Ragged:
    """The phone of each frame (N) if all phones of a line lasted equally long. lengths (B): frames of each sentence."""
    rows = []
    for n, line in zip(lengths.tolist(), lines, strict=True):
        quiet = min(QUIET_FRAMES, n // 10)
        places = np.arange(n - 2 * quiet) * len(line) // max(1, n - 2 * quiet)
        rows.append(np.concatenate([np.full(quiet, silence), line[places], np.full(quiet, silence)]))
    return Ragged.of(rows, np.int64)


def learn(
    rows: Tensor,
    labels: Ragged,
    align: Callable[[np.ndarray, int], np.ndarray | None],
    *,
    n_phones: int,
    turns: int,
    shrinkage: float,
    report: Callable[[float], None] = lambda changed: None,
) -> tuple[Classifier, Ragged]:
    """A classifier of phones and the phone of each frame (N), from white frames (N, D) and a flat start.

    align: scores (N', V) of a sentence and its number -> its labels (N'), None where it has fewer frames than its phones need.
    report: called after each turn with the share of frames that changed their phone.
    """
    for _ in range(turns):
        classifier = Classifier.fit(rows, F.one_hot(torch.from_numpy(labels.flat), n_phones).float(), shrinkage=shrinkage)
        scores = classifier.log_likelihood(rows).log_softmax(-1).numpy()
        heard = [align(each, number) for number, each in enumerate(Ragged(scores, labels.offsets))]
        found = [old if new is None else new for old, new in zip(labels, heard, strict=True)]
        after = Ragged.of(found, np.int64)
        report(float((after.flat != labels.flat).mean()))
        labels = after
    return Classifier.fit(rows, F.one_hot(torch.from_numpy(labels.flat), n_phones).float(), shrinkage=shrinkage), labels
