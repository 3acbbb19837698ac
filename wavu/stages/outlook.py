"""How long the path takes: what it took elsewhere, scaled by how fast this machine was so far."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

from wavu.audio.files import find_audio, in_pieces
from wavu.units import duration_words

# Seconds, fixed and per hour of audio, of two cores with nothing else to do: whisper-base, the head as student, a text of 13,000
# sentences. From LibriSpeech and LJSpeech (LOG.md, 2026-11-30).
SECONDS = {"prepare_text": (5, 0), "prepare_audio": (15, 55), "decipher_segments": (60, 10), "self_train": (180, 90)}
MEMORY_BYTES = 4.0e9  # at most, of all stages
DISK_BYTES = 0.2e9  # per hour of audio, features and models
TRUST_SECONDS = 60  # of work before this machine's own pace counts as much as the table


@dataclass(frozen=True)
class Outlook:
    """hours: of audio. pace: seconds that are needed for each of the table. expected, needed: of the stages that are done."""

    hours: float
    pace: float = 1.0
    expected: float = 0.0
    needed: float = 0.0

    @classmethod
    def of(cls, audio_dir: Path) -> "Outlook":
        """Of the recordings below a folder."""
        recordings = in_pieces(find_audio(audio_dir), max_seconds=math.inf)
        return cls(sum(recording.seconds for recording in recordings) / 3600)

    def seconds(self, stage: str) -> float:
        """Of a stage of the path."""
        fixed, hourly = SECONDS[stage]
        return self.pace * (fixed + hourly * self.hours)

    def after(self, stage: str, seconds: float) -> "Outlook":
        """What is to be expected when a stage took so long."""
        expected, needed = self.expected + self.seconds(stage) / self.pace, self.needed + seconds
        return replace(self, expected=expected, needed=needed, pace=(TRUST_SECONDS + needed) / (TRUST_SECONDS + expected))

    def words(self, stages: list[str]) -> str:
        """The first of some stages, and all that follow.

        >>> Outlook(hours=1.0).words(["decipher_segments", "self_train"])
        'about 70 s; all that follows about 4.5 min'
        """
        first, *rest = (self.seconds(stage) for stage in stages)
        after = f"; all that follows about {duration_words(sum(rest))}" if rest else ""
        return f"about {duration_words(first)}{after}"
