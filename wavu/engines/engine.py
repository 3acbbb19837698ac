"""What every engine does: speech in, phones with times out.

Shapes: T samples, N frames, P columns of scores, V phones with silence, R phones heard, W words heard.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from wavu.audio.frontend import FrontEnd
from wavu.decode.greedy import confidence
from wavu.ragged import Ragged
from wavu.units import HOP_SECONDS

if TYPE_CHECKING:
    from wavu.decode.topology import Topology
    from wavu.decode.words import Word


@dataclass(frozen=True, eq=False)
class Heard:
    """What is heard in a piece of speech: R phones, their times (R, 2) in seconds of it and how sure each is (R), from 0 to 1.

    scores (N, P): what a word decoder reads; None where there is no way from the engine to words.
    """

    phones: list[str]
    times: np.ndarray
    confidence: np.ndarray
    scores: np.ndarray | None = None


class Engine(Protocol):
    """What turns speech into phones, of which silence is none."""

    @property
    def phones(self) -> list[str]:
        """Those it may hear."""

    def listen(self, waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What of a waveform (T,) at 16 kHz is to be heard, (T',), and the spans (P, 2) in seconds that it was cut out of."""

    def hear(self, speech: list[np.ndarray]) -> Iterator[Heard]:
        """Each of some non-empty waveforms (T',), as :meth:`listen` leaves them."""

    def topology(self) -> "Topology | None":
        """What the columns of its scores mean to a word decoder."""

    def times(self, words: "list[Word]", heard: Heard) -> np.ndarray:
        """When words were said that a decoder found in the scores: (W, 2) in seconds of the speech."""


@dataclass(frozen=True, eq=False)
class FramesEngine:
    """A generator or an HMM behind the front end, which cuts out the speech.

    hear_frames: frames of the encoder (N, D) -> what is heard. transitions: of an HMM, natural logarithms (V, n) of staying
    in a sub-state and of leaving it.
    """

    front_end: FrontEnd
    phones: list[str]
    hear_frames: Callable[[Ragged], Iterator[Heard]]
    transitions: tuple[np.ndarray, np.ndarray] | None = None

    def listen(self, waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The speech, as voice activity detection finds it."""
        return self.front_end.listen(waveform)

    def hear(self, speech: list[np.ndarray]) -> Iterator[Heard]:
        """See :class:`Engine`."""
        return self.hear_frames(self.front_end.encode(speech)) if speech else iter(())

    def topology(self) -> "Topology | None":
        """That of phone HMMs; a generator has none."""
        from wavu.decode.topology import Topology

        if self.transitions is None:
            return None
        stay, leave = self.transitions
        return Topology.hmm(*stay.shape, log_stay=stay, log_leave=leave)

    def times(self, words: "list[Word]", heard: Heard) -> np.ndarray:
        """Those of their frames."""
        return np.array([[word.start, word.end] for word in words]).reshape(-1, 2) * HOP_SECONDS


def heard_runs(phones: list[str], found: np.ndarray, likely: np.ndarray, scores: np.ndarray | None = None) -> Heard:
    """Runs (R, 3) of frames as what is heard; likely (N, V): as :func:`wavu.decode.greedy.confidence` wants it."""
    return Heard([phones[phone] for phone in found[:, 0]], found[:, 1:] * HOP_SECONDS, confidence(likely, found), scores)
