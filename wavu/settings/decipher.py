"""Settings of the decipherment that gan_train begins with and choose_layer judges by."""

from typing import Annotated, Literal

from pydantic import Field

from wavu.settings.base import Count, NotNegative, Positive, Settings, Share, Whole

Order = Literal[2, 3]  # what a Grammar of phones can have


class Matching(Settings):
    """Statistics of units against those of spoken text."""

    lags: Annotated[list[Count], Field(min_length=1)] = [4, 6, 8, 10, 12, 15, 18, 22, 26, 30]
    """frames of 20 ms between the two that are counted: from within a phone to six phones on"""
    positions: Count = 50
    """frames from the start and from the end of an utterance that are counted: a second"""
    longest_silence: Whole = 15
    """frames that voice detection may have left at either end; how many is learned"""
    regularity: Positive = 15.0
    """of durations: mean / standard deviation, squared; 6 matches one clear voice worse, by 0.02 nats"""
    restarts: Count
    steps: Count
    learning_rate: Positive = 0.1
    """falls to a fifth"""


class Search(Settings):
    """Matching and Baum-Welch in turns."""

    frames_per_phone: Annotated[list[Positive], Field(min_length=1)]
    frames_per_silence: Positive = 10.0
    """first value; later ones are measured"""
    rounds: Count
    order: Order
    states: Count = 2
    """per phone: it lasts 40 ms at least"""
    iterations: Count = 6
    """of Baum-Welch per round"""
    smoothing: NotNegative = 10.0
    """frames of unseen sounds granted to each state"""


class Decipher(Settings):
    """From units and unpaired text to phones; ``configs/decipher``."""

    silence_probability: Annotated[list[Share], Field(min_length=1)] = [0.0, 0.25]
    """between two words: guesses; the one with which speech and text match best is kept"""
    matching: Matching
    search: Search
