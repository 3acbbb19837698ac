"""Runs of equal labels: what turns one label per segment into phones."""

import numpy as np

from wavu.store import Ragged


def run_starts(labels: Ragged) -> np.ndarray:
    """Which entries of the flat array begin a run of one label within their row (N) bool."""
    starts = np.ones(len(labels.flat), bool)
    starts[1:] = labels.flat[1:] != labels.flat[:-1]
    starts[labels.offsets[:-1][labels.lengths > 0]] = True
    return starts


def collapsed(labels: Ragged) -> Ragged:
    """Each run as one label."""
    return _kept(labels, run_starts(labels))


def spoken(labels: Ragged, silence: int) -> Ragged:
    """What the labels say: runs become one phone each, then silence is left out (equal phones around it stay two)."""
    phones = collapsed(labels)
    return _kept(phones, phones.flat != silence)


def _kept(labels: Ragged, keep: np.ndarray) -> Ragged:
    return Ragged(labels.flat[keep], np.concatenate([[0], np.cumsum(keep)])[labels.offsets])
