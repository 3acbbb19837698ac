"""Runs of equal labels: what turns one label per segment into phones."""

from wavu.ragged import Ragged


def collapsed(labels: Ragged) -> Ragged:
    """Each run as one label."""
    return labels.keep(labels.run_starts())


def spoken(labels: Ragged, silence: int) -> Ragged:
    """What the labels say: runs become one phone each, then silence is left out (equal phones around it stay two)."""
    phones = collapsed(labels)
    return phones.keep(phones.flat != silence)
