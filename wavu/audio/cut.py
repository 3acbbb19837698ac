"""A recording of any length in parts that a model can hear at once, cut where nobody speaks; hours never lie in memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from wavu.audio.vad import speech_spans
from wavu.units import HOP_SAMPLES, samples, seconds


@dataclass(frozen=True, eq=False)
class Part:
    """A waveform (T,) at 16 kHz that begins ``start`` seconds into its recording.

    last: whether the recording ends with it. seam: whether it was cut from the part before without a pause.
    """

    start: float
    waveform: np.ndarray
    last: bool
    seam: bool


def parts(blocks: Iterable[np.ndarray], *, max_seconds: float, vad: dict) -> Iterator[Part]:
    """A recording that comes in blocks (T',) as parts of ``max_seconds`` at most, nothing lost and nothing doubled.

    A recording no longer than that is one part. Another is cut in the middle of the longest pause between half of
    ``max_seconds`` and all of it; where ``vad``, a block of settings, hears no pause, in the quietest 20 ms. No part is shorter
    than a quarter of ``max_seconds``.
    """
    limit, least = samples(max_seconds), samples(max_seconds / 4)
    held, begin, seam = np.zeros(0, np.float32), 0, False

    def cut(high: int) -> Part:
        nonlocal held, begin, seam
        end, paused = _pause(held, limit // 2, high, vad)
        part = Part(seconds(begin), held[:end], last=False, seam=seam)
        held, begin, seam = held[end:], begin + end, not paused
        return part

    for block in blocks:
        held = np.concatenate([held, block])
        while len(held) > limit + least:
            yield cut(limit)
    if len(held) > limit:
        yield cut(min(limit, len(held) - least))
    yield Part(seconds(begin), held, last=True, seam=seam)


def _pause(waveform: np.ndarray, low: int, high: int, vad: dict) -> tuple[int, bool]:
    """The best place to cut a waveform (T,) between two samples, the first of a frame of 20 ms; and whether it is a pause."""
    first, last = -(-low // HOP_SAMPLES), high // HOP_SAMPLES
    spans = speech_spans(waveform[:high], **vad)
    pauses = np.stack([np.append(0, spans[:, 1]), np.append(spans[:, 0], last)], axis=1).clip(first, last)
    longest = pauses[np.diff(pauses, axis=1).argmax()]
    if longest[1] > longest[0]:
        return int(longest.sum() // 2) * HOP_SAMPLES, True
    frames = waveform[first * HOP_SAMPLES : last * HOP_SAMPLES].reshape(-1, HOP_SAMPLES)
    return (first + int(np.square(frames).sum(axis=1).argmin())) * HOP_SAMPLES, False
