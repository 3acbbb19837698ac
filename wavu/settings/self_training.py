"""Settings of self_train."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from wavu.settings.base import (
    Block,
    Count,
    Loading,
    NotNegative,
    Number,
    Place,
    Positive,
    Seed,
    Settings,
    Share,
    Whole,
    Word,
    Work,
)
from wavu.settings.selection import Selection
from wavu.settings.student import Student


def _power_of_two(value: int) -> int:
    if value & (value - 1):
        raise ValueError("must be a power of 2: gaussians are doubled")
    return value


Followed = Annotated[Count, Field(gt=20)]  # so many states wavu.decode.align follows however far behind


class Units(Settings):
    """The first turn, on units."""

    order: Literal[2, 3] = 3
    """of the phone n-gram; 3 costs V times as much"""
    states: Count = 3
    """per phone, silence too: it lasts 60 ms at least; 2 were worse with gaussians (PER 0.027 for 0.022)"""
    iterations: Count = 2
    """of Baum-Welch: more repair these labels, but no longer those of later turns"""
    smoothing: Positive = 10.0
    """frames of unseen sounds granted to each state"""


class Transform(Settings):
    """Of frames, learned from the labels."""

    reach: Whole = 3
    """frames before and after that discriminants are taken of: 140 ms in all"""
    dim: Count = 40
    """of the discriminants, as Kaldi"""
    iterations: Whole = 10
    """of the semi-tied covariance"""


class Mixtures(Settings):
    """Of gaussians."""

    gaussians: Annotated[Count, AfterValidator(_power_of_two)] = 1
    """per sub-state, a power of 2; more pay with many hours or voices"""
    passes: Count = 3
    """of expectation maximisation after each doubling"""
    least_frames: NotNegative = 20.0
    """a gaussian of fewer is given up"""
    variance_floor: Annotated[Share, Field(gt=0)] = 0.01
    """least variance by that of all speech, as HTK"""


class PlainMixtures(Mixtures):
    """Of frames as they are."""

    passes: Count = 1
    """none is needed for one gaussian"""


class Gaussians(Settings):
    """The turns after the first."""

    turns: Whole
    transform: Transform = Field(default_factory=Transform)
    mixtures: Mixtures = Field(default_factory=Mixtures)


class Words(Settings):
    """The search; weights are where tuning starts."""

    acoustic_scale: Positive = 0.1
    """of frames, which are far from independent"""
    lm_weight: Positive = 1.0
    """only the proportions of the four matter"""
    word_score: Number = 0.0
    """nats for each word"""
    silence_score: Number = 0.0
    """nats for each silence"""
    beam: Positive = 16.0
    """nats behind the best that are followed; 20 finds the same"""
    max_active: Followed = 1_500
    """states followed at most"""


class WordGrid(Settings):
    """Weights of the word search that are tried."""

    acoustic_scale: Annotated[list[Positive], Field(min_length=1)] = [0.05, 0.1, 0.2]
    """by lm_weight"""


class PhoneGrid(Settings):
    """Weights of the phone search that are tried."""

    grammar_weight: Annotated[list[Positive], Field(min_length=1)] = [1.0, 3.0, 6.0]
    """power of the n-gram's probabilities"""
    phone_bonus: Annotated[list[Number], Field(min_length=1)] = [0.0, 2.0, 4.0]
    """nats for each phone"""


class Tuning(Settings):
    """Of weights, without labels: log perplexity times disagreement with the labels before."""

    utterances: Count = 150
    """looked at"""
    least_disagreement: Share = 0.1
    """share of labels; decodings nearer than this to labels with errors are all as good"""
    words: WordGrid = Field(default_factory=WordGrid)
    phones: PhoneGrid = Field(default_factory=PhoneGrid)


class Evidence(Settings):
    """By which a turn is kept, from speech that was not learned from."""

    by: Literal["likelihood", "agreement"] = "likelihood"
    """likelihood: log, per frame; agreement: share of frames whose phone is also what sounds likeliest there"""
    utterances: Count = 200
    """heard"""
    mixtures: PlainMixtures = Field(default_factory=PlainMixtures)


# What is different after decipher_segments, where encoders heard people.


class DecipheredEvidence(Settings):
    """By which a turn is kept."""

    by: Literal["likelihood", "agreement"] = "agreement"
    """the likelihood falls while phones get better, as gaussians are no good model of 512 dims"""


class DecipheredHmm(Settings):
    """Sub-states of all turns."""

    states: Count = 2
    """per phone: people are fast"""


class DecipheredTransform(Settings):
    """Of frames."""

    reach: Whole = 0
    """frames of a transformer know their neighbours"""


class DecipheredGaussians(Settings):
    """All turns but the segments themselves."""

    turns: Whole = 3
    """at most; a fourth gains little and costs as much"""
    transform: DecipheredTransform = Field(default_factory=DecipheredTransform)


class DecipheredWords(Settings):
    """The search."""

    acoustic_scale: Positive = 0.15
    """where tuning starts"""
    word_score: Number = 2.0
    """nats for each word: without it too few are found"""
    beam: Positive = 11.0
    """nats behind the best that are followed"""


class DecipheredGrid(Settings):
    """Weights of the word search that are tried."""

    acoustic_scale: Annotated[list[Positive], Field(min_length=1)] = [0.1, 0.15, 0.2]
    """by lm_weight"""


class DecipheredTuning(Settings):
    """Of weights."""

    utterances: Count = 60
    """looked at"""
    words: DecipheredGrid = Field(default_factory=DecipheredGrid)


class Deciphered(Settings):
    """All of that."""

    evidence: DecipheredEvidence = Field(default_factory=DecipheredEvidence)
    hmm: DecipheredHmm = Field(default_factory=DecipheredHmm)
    gaussians: DecipheredGaussians = Field(default_factory=DecipheredGaussians)
    words: DecipheredWords = Field(default_factory=DecipheredWords)
    tuning: DecipheredTuning = Field(default_factory=DecipheredTuning)


# The command


class SelfTrain(Work, Loading):
    """``configs/self_train.yaml``."""

    selection: Selection
    student: Student
    gan: Place
    audio: Place
    text: Place
    seed: Seed
    rounds: Count
    again: list[Word] = ["sweep=rates", "updates=400"]
    """settings of wavu.gan_train in further rounds, beside folders and seed"""
    voters: Count
    search: Literal["words", "phones"]
    hmm: Units = Field(default_factory=Units)
    gaussians: Gaussians
    words: Words = Field(default_factory=Words)
    tuning: Tuning = Field(default_factory=Tuning)
    evidence: Evidence = Field(default_factory=Evidence)
    deciphered: Deciphered = Field(default_factory=Deciphered)

    def after_decipherment(self) -> "SelfTrain":
        """These settings with those of ``deciphered`` in their places."""
        return _changed(self, self.deciphered)


def _changed(settings: Block, other: Settings) -> Block:
    """Settings with those of ``other`` in their places."""
    both = {name: _changed(getattr(settings, name), value) if isinstance(value, Settings) else value for name, value in other}
    return settings.model_copy(update=both)
