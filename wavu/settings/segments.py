"""Settings of decipher_segments."""

from typing import Annotated

from pydantic import AfterValidator, Field

from wavu.settings.base import Count, Dropout, Loading, NotNegative, Place, Positive, Seed, Settings, Word, Work
from wavu.settings.selection import Selection


def _rising(values: list[int]) -> list[int]:
    if values[0] >= values[1]:
        raise ValueError("must be two different numbers, the lesser first")
    return values


Pitches = Annotated[list[Annotated[int, Field(ge=0, le=99)]], Field(min_length=2, max_length=2), AfterValidator(_rising)]
Paces = Annotated[list[Annotated[int, Field(ge=80, le=450)]], Field(min_length=2, max_length=2), AfterValidator(_rising)]
SPEAKERS = ["", "+f2", "+m3", "+f4", "+m1", "+m7", "+f1", "+f3", "+m2", "+m4"]


class Channel(Settings):
    """How the text is made to err as segments do."""

    drop: Dropout = 0.1
    """share of the phones that have no segment of their own"""
    double: Dropout = 0.1
    """share of the phones that have two"""
    copies: Count = 3
    """of the text, so that rare pairs are met"""


class Classifier(Settings):
    """What tells the phones of segments apart."""

    dims: Count = 128
    """of a segment after whitening"""
    exponent: Positive = 0.35
    """of its density, as dims are far from independent"""
    shrinkage: NotNegative = 0.3
    """added to variances within phones, those of the segments being 1"""


class Rounds(Settings):
    """Of the full sum."""

    voice: Count = 1
    """after a voice has read: a second begins to believe its own errors"""
    counts: Count = 8
    """after counts alone: names get better for as long"""


class Reading(Settings):
    """How a voice reads the text, and what is learned from it."""

    sentences: Count
    longest: Count = 40
    """words of such a sentence"""
    speakers: Annotated[list[str], Field(min_length=1)] = SPEAKERS
    """variants of the voice, taking turns"""
    pitch: Pitches = [25, 80]
    """drawn for each sentence"""
    words_per_minute: Paces = [130, 200]
    """drawn for each sentence"""
    noise: NotNegative = 0.003
    """of the room, beside a voice of at most 1"""
    dims: Count = 256
    """of a frame after whitening"""
    turns: Count = 8
    """of alignment and classifier; in the last 1 % of the frames change"""
    shrinkage: NotNegative = 0.1
    """as that of the classifier, of frames"""


class Search(Settings):
    """Without a voice."""

    clusters: Annotated[Count, Field(ge=2, le=32_767)] = 64
    """of segments: coarse first, as large tables fit counts of noise"""
    clusterings: Count = 3
    """k-means from different seeds"""
    restarts: Count
    steps: Count = 800
    """of Adam"""
    learning_rate: Positive = 0.1
    """falls to a tenth"""
    lags: Annotated[list[Count], Field(min_length=1)] = [1, 2, 3, 4, 5]
    """segments between the two that are counted"""
    tried: Count = 6
    """starts of least loss that the full sum compares: its likelihood tells better"""
    trial_rounds: Count = 4
    """of it"""


class DecipherSegments(Work, Loading):
    """``configs/decipher_segments.yaml``."""

    selection: Selection
    audio: Place
    text: Place
    seed: Seed
    voice: Word | None
    channel: Channel = Field(default_factory=Channel)
    classifier: Classifier = Field(default_factory=Classifier)
    rounds: Rounds = Field(default_factory=Rounds)
    reading: Reading
    search: Search
