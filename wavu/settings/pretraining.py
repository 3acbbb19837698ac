"""Settings of pretrain."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from wavu.settings.base import (
    Between,
    Count,
    Dropout,
    Loading,
    NotNegative,
    Number,
    Positive,
    Precision,
    Seed,
    Settings,
    Share,
    Word,
    Work,
)
from wavu.settings.training import Training
from wavu.units import FRAME_RATE_HZ

Part = Annotated[Share, Field(gt=0)]  # of what is there, and not nothing


class Network(Settings):
    """By the names of transformers."""

    conv_dim: Annotated[list[Count], Field(min_length=7, max_length=7)]
    hidden_size: Count
    num_hidden_layers: Count
    num_attention_heads: Count
    intermediate_size: Count
    num_conv_pos_embeddings: Count | None = Field(default=None, exclude_if=lambda frames: frames is None)
    """frames that the positional convolution sees; null: 128"""
    num_conv_pos_embedding_groups: Count | None = Field(default=None, exclude_if=lambda groups: groups is None)
    """of its channels; null: 16"""
    layerdrop: Dropout = 0.05
    """share of the blocks left out"""
    hidden_dropout: Dropout = 0.1
    """share of the values set to zero, here and below"""
    attention_dropout: Dropout = 0.1
    """of the attention's weights"""
    activation_dropout: Dropout = 0.0
    """within feed-forward parts"""
    feat_proj_dropout: Dropout = 0.1
    """between convolutions and blocks"""

    @model_validator(mode="after")
    def _parts_are_equal(self) -> "Network":
        for name in ("num_attention_heads", "num_conv_pos_embedding_groups"):
            if self.hidden_size % (getattr(self, name) or 1):
                raise ValueError(f"hidden_size={self.hidden_size} must be a multiple of {name}={getattr(self, name)}")
        return self


class Codebook(Settings):
    """Of objective=wav2vec2."""

    num_codevector_groups: Count = 2
    """codebooks"""
    num_codevectors_per_group: Count = 320
    """entries of each"""
    codevector_dim: Count = 256
    """of both codebooks' vectors together"""
    proj_codevector_dim: Count = 256
    """in which they are compared with the context"""
    feat_quantizer_dropout: Dropout = 0.1
    """before the choice"""

    @model_validator(mode="after")
    def _parts_are_equal(self) -> "Codebook":
        if self.codevector_dim % self.num_codevector_groups:
            raise ValueError(
                f"codevector_dim={self.codevector_dim} must be a multiple of num_codevector_groups={self.num_codevector_groups}"
            )
        return self


class Speed(Settings):
    """Pieces that are played faster or slower, pitch included."""

    share: Share = 0.5
    """of the pieces"""
    factors: Between = [0.85, 1.2]
    """of the speed, least and greatest"""


class Pitch(Settings):
    """Pieces that are played higher or lower."""

    share: Share = 0.05
    """costs most: half a second of a core for a piece, where the others take hundredths"""
    semitones: NotNegative = 4.0
    """at most, either way"""


def _ascending(values: list[float]) -> list[float]:
    if values[0] > values[1]:
        raise ValueError("must be two numbers, the lesser first")
    return values


class Noise(Settings):
    """Pieces that are played in noise."""

    share: Share = 0.3
    """of the pieces"""
    decibels: Annotated[list[Number], Field(min_length=2, max_length=2), AfterValidator(_ascending)] = [5.0, 30.0]
    """above the noise, least and most"""


class Augment(Settings):
    """One recording heard as many."""

    speed: Speed = Field(default_factory=Speed)
    pitch: Pitch = Field(default_factory=Pitch)
    noise: Noise = Field(default_factory=Noise)


class LongTraining(Training):
    """Of an encoder."""

    clip: Positive = 2.0
    """greatest norm of the gradient"""
    precision: Precision = "bf16"
    """no, fp16 or bf16"""


class Size(Settings):
    """``configs/pretrain``: the network, and how much it hears."""

    network: Network | None
    codebook: Codebook | None = Field(default_factory=Codebook)
    longest: Positive
    batch: Positive
    every: Count
    augment: Augment | None = None
    """null: recordings as they are; {}: faster, higher and in noise"""
    training: LongTraining


class Mask(Settings):
    """Spans that hide frames; they overlap."""

    share: Part
    length: Count


class Gumbel(Settings):
    """Temperature of the choice of codes."""

    first: Positive = 2.0
    """published: it falls by 0.999995 per update, of 400,000"""
    last: Positive = 0.5
    """where it stays"""
    reached: Part = 0.7
    """share of the updates after which it is there"""


class Contrast(Settings):
    """Of the codes of hidden frames."""

    mask: Mask
    distractors: Count = 100
    """of the same piece"""
    similarity_temperature: Positive = 0.1
    """what cosines are divided by"""
    diversity: NotNegative = 0.1
    """weight of the loss that wants all codes used"""
    gumbel: Gumbel = Field(default_factory=Gumbel)


class Wav2Vec2(Settings):
    """Tell the code of a hidden frame from those of others (Baevski et al. 2020)."""

    kind: Literal["wav2vec2"]
    settings: Contrast


class Teacher(Settings):
    """Whose units a turn learns: MFCC, or a layer of the turn before, at most its last."""

    teacher: Literal["mfcc"] | Count
    clusters: Annotated[Count, Field(le=32_767)]  # a unit is an int16
    share: Part


class UnitKMeans(Settings):
    """Of the teacher's frames."""

    iterations: Count = 25
    """as prepare_audio"""
    restarts: Count = 1
    """the best of them is kept"""


class Guess(Settings):
    """Of the units of hidden frames."""

    mask: Mask
    width: Count = 256
    """of the projection that is compared with the vectors of units"""
    similarity_temperature: Positive = 0.1
    """what cosines are divided by"""


class Hubert(Settings):
    """Tell the acoustic unit of a hidden frame (Hsu et al. 2021)."""

    kind: Literal["hubert"]
    turns: Annotated[list[Teacher], Field(min_length=1)]
    kmeans: UnitKMeans = Field(default_factory=UnitKMeans)
    sample_frames: Count = 200_000
    """that the clusters are found in"""
    settings: Guess

    @model_validator(mode="after")
    def _the_first_turn_has_a_teacher(self) -> "Hubert":
        if self.turns[0].teacher != "mfcc":
            raise ValueError(
                f"turns begin with teacher={self.turns[0].teacher}, a layer of no network; the first teacher is mfcc"
            )
        return self


class Pretrain(Work, Loading):
    """``configs/pretrain.yaml``."""

    pretrain: Size
    objective: Annotated[Wav2Vec2 | Hubert, Field(discriminator="kind")]
    audio: Word | dict[Word, Word]
    start_from: Word | None
    seed: Seed
    alpha: Share = 0.5
    """languages are heard in proportion to their share of the audio to this power (as XLSR); 1: as much as there is"""
    min_seconds: Positive = 1.0
    """a shorter recording is left out: it has hardly room for a mask"""
    piece_seconds: Positive = 40.0
    """a longer recording is cut at the quietest points near equal parts"""
    memory_hours: NotNegative = 24.0
    """as much audio is kept decoded in memory, 115 MB per hour; of more, each piece is read when it is wanted"""
    held_out_minutes: Positive = 5.0
    """of audio not learned from (at most a tenth of all), for the curves and to keep the best weights"""

    @model_validator(mode="after")
    def _fits_together(self) -> "Pretrain":
        frames = int(self.min_seconds * FRAME_RATE_HZ) - 1  # the last one wants more samples than a hop
        length, size = self.objective.settings.mask.length, self.pretrain
        if frames < 2 * length:
            raise ValueError(
                f"min_seconds={self.min_seconds:g} has room for {frames} frames, fewer than two spans of "
                f"objective.settings.mask.length={length}; give more"
            )
        if size.longest > size.batch:
            raise ValueError(f"pretrain.longest={size.longest:g} seconds do not fit into pretrain.batch={size.batch:g}")
        if (self.start_from is None) == (size.network is None):
            raise ValueError(
                "start_from= and pretrain=continued go together; pretrain=small and others begin with random weights"
            )
        if size.network and not size.codebook and isinstance(self.objective, Wav2Vec2):
            raise ValueError("pretrain.codebook=null leaves objective=wav2vec2 without codes")
        return self
