"""A CTC student, or a head behind the front end, as an engine."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wavu.audio.frontend import FrontEnd
from wavu.decode import ctc
from wavu.engines.engine import Heard
from wavu.units import HOP_SECONDS, seconds

if TYPE_CHECKING:
    from wavu.decode.topology import Topology
    from wavu.decode.words import Word
    from wavu.student.model import Student

STUDENT_SECONDS = 120  # of audio heard at a time by a student, padding included


@dataclass(frozen=True, eq=False)
class StudentEngine:
    """A CTC student, which hears whole waveforms, silence included."""

    student: "Student"

    @property
    def phones(self) -> list[str]:
        """Those of the student."""
        return self.student.phones

    def listen(self, waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All of it, unchanged."""
        return waveform, np.array([[0.0, seconds(len(waveform))]])

    def hear(self, speech: list[np.ndarray]) -> Iterator[Heard]:
        """See :class:`~wavu.engines.engine.Engine`."""
        for waveform, scores in zip(speech, self._scores(speech), strict=True):
            found, sure = ctc.greedy(scores)
            times = ctc.spans(found, hop_seconds=self.student.hop_seconds, seconds=seconds(len(waveform)))
            yield Heard([self.phones[phone] for phone in found[:, 0]], times, sure, scores)

    def _scores(self, speech: list[np.ndarray]) -> list[np.ndarray]:
        """Log probabilities (N, P) of each waveform (T',)."""
        return self.student.score(speech, batch_seconds=STUDENT_SECONDS)

    def topology(self) -> "Topology":
        """That of CTC."""
        from wavu.decode.topology import Topology

        return Topology.ctc(len(self.phones), blank=ctc.BLANK)

    def times(self, words: "list[Word]", heard: Heard) -> np.ndarray:
        """From the beginning of the phone that is marked where a word begins, to the end of the one that is where it ends."""
        times = np.array([[word.start, word.end] for word in words]).reshape(-1, 2) * self.student.hop_seconds
        for side, mark in enumerate((times[:, 0], times[:, 1] - self.student.hop_seconds)):
            mark = mark + self.student.hop_seconds / 2
            phone = np.searchsorted(heard.times[:, 0], mark, side="right") - 1
            inside = (phone >= 0) & (mark < np.append(heard.times[:, 1], 0.0)[phone])
            times[inside, side] = heard.times[phone[inside], side]
        return times


@dataclass(frozen=True, eq=False)
class HeadEngine(StudentEngine):
    """A head behind the front end, which cuts out the speech and encodes it."""

    front_end: FrontEnd

    def listen(self, waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The speech, as voice activity detection finds it."""
        return self.front_end.listen(waveform)

    def _scores(self, speech: list[np.ndarray]) -> list[np.ndarray]:
        frames = self.front_end.frames(self.front_end.encode(speech))
        inputs = [np.asarray(row, np.float32) for row in frames]
        return self.student.score_each(inputs.__getitem__, frames.lengths * HOP_SECONDS, batch_seconds=STUDENT_SECONDS)
