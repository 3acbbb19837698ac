"""Settings of networks that learn phones with CTC: the student of self_train, and the teacher that phoneme_ctc fine-tunes."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from wavu.settings.base import Count, Dropout, NotNegative, Number, Positive, Precision, Settings, Share, Word
from wavu.settings.training import Training


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("must be odd: as many frames before as after")
    return value


class Network(Settings):
    """Of a conformer."""

    width: Count
    layers: Count
    heads: Count = 4
    """of attention"""
    kernel: Annotated[Count, AfterValidator(_odd)] = 15
    """frames that its convolutions see"""

    @model_validator(mode="after")
    def _even_heads(self) -> "Network":
        if self.width % (2 * self.heads):  # positions turn dims by twos
            raise ValueError(f"width={self.width} must be a multiple of twice heads={self.heads}")
        return self


class MelNetwork(Network):
    """On log mel energies."""

    stride: Count = 3
    """log mel frames of 10 ms in one of its own; at 4 doubled vowels are lost"""


class Regularisation(Settings):
    """By the names of transformers; of a pre-trained encoder as published for wav2vec-U (Baevski et al. 2021)."""

    mask_time_prob: Share = 0.25
    """share of the frames that is masked, in spans"""
    mask_time_length: Count = 10
    """frames: 200 ms"""
    mask_feature_prob: Share = 0.1
    """the same over the width of the network"""
    mask_feature_length: Count | None = Field(default=64, exclude_if=lambda length: length is None)
    """of 1,024; null: that of the encoder"""
    layerdrop: Dropout = 0.1
    """share of the blocks left out"""
    hidden_dropout: Dropout = 0.0
    """share of the values set to zero, here and below"""
    attention_dropout: Dropout = 0.0
    """of the attention's weights; drawing takes a fifth of the time"""
    activation_dropout: Dropout = 0.1
    """within feed-forward parts"""
    final_dropout: Dropout = 0.0
    """before the last layer"""


class ConformerRegularisation(Regularisation):
    """Of a small network from random weights."""

    mask_time_prob: Share = 0.05
    """share of the frames at which a mask may begin, times its length"""
    mask_time_length: Count = 4
    """frames: 120 ms of a network of its own, 80 ms of a head"""
    mask_feature_prob: Share = 0.05
    """the same over the width of the network"""
    mask_feature_length: Count = 8
    """of 128"""
    layerdrop: Dropout = 0.0
    """share of the blocks left out; few are too few for any"""
    hidden_dropout: Dropout = 0.05
    """share of the values set to zero, here and below"""
    activation_dropout: Dropout = 0.0
    """within feed-forward parts"""
    conformer_conv_dropout: Dropout = 0.05
    """within convolutions"""
    final_dropout: Dropout = 0.05
    """before the last layer"""


class StudentTraining(Training):
    """Of a small network."""

    epochs: Count | None = Field(default=None, exclude_if=lambda epochs: epochs is None)
    """at most; null: as many as the updates take"""
    batch_seconds: Positive = 20.0
    """of audio per update and process, padding included; half as many twice as large were worse"""


class EncoderTraining(StudentTraining):
    """Of a large encoder, on a GPU."""

    batch_seconds: Positive = 50.0
    """of audio per batch and process, padding included; published with 8 processes"""
    accumulate: Count = 8
    """batches per update: the 8 GPUs of the original on one; 1 with 8 processes"""
    weight_decay: NotNegative = 0.0
    """none, as published"""
    precision: Precision = "fp16"
    """no, fp16 or bf16"""


class Validation(Settings):
    """By utterances that are not learned from."""

    utterances: Count = 100
    """not learned from; at most a tenth"""
    every: Count = 100
    """updates"""
    patience: Count = 4
    """validations in a row without a better one, and it stops"""


class Small(Settings):
    """A conformer of its own on log mel energies."""

    kind: Literal["small"] = Field(exclude=True)
    network: MelNetwork
    regularisation: ConformerRegularisation = Field(default_factory=ConformerRegularisation)
    training: StudentTraining
    validation: Validation = Field(default_factory=Validation)


class Pretrained(Settings):
    """An encoder that is fine-tuned."""

    kind: Literal["pretrained"] = Field(exclude=True)
    regularisation: Regularisation = Field(default_factory=Regularisation)
    training: EncoderTraining
    validation: Validation = Field(default_factory=Validation)


FineTuning = Annotated[Small | Pretrained, Field(discriminator="kind")]


class StudentWords(Settings):
    """The student's word search; where tuning starts."""

    acoustic_scale: Positive = 1.0
    """of frames, by lm_weight"""
    word_score: Number = 0.0
    """nats for each word"""


class HeadWords(StudentWords):
    """A head's."""

    acoustic_scale: Positive = 0.7
    """of frames, by lm_weight"""


class StudentTuning(Settings):
    """Without labels, as the HMM's."""

    acoustic_scale: Annotated[list[Positive], Field(min_length=1)] = [0.5, 0.7, 1.0, 1.5]
    """by lm_weight"""
    word_score: Annotated[list[Number], Field(min_length=1)] = [-2.0, 0.0, 2.0]
    """nats"""


class Taught(Settings):
    """What a network has that learns from pseudo-labels."""

    kind: str  # first in every student: it tells which one this is
    surest: Annotated[Share, Field(gt=0)] = 0.95
    """share of the utterances that is learned from, the surest first"""
    words: StudentWords = Field(default_factory=StudentWords)
    tuning: StudentTuning = Field(default_factory=StudentTuning)


class NoStudent(Settings):
    """The HMM is the last."""

    kind: Literal["none"]


class SmallStudent(Small, Taught):
    """A conformer of its own, from pseudo-labels."""

    kind: Literal["small"]


class PretrainedStudent(Pretrained, Taught):
    """An encoder that is fine-tuned on pseudo-labels."""

    kind: Literal["pretrained"]
    encoder: Word | None = None
    """Hugging Face name or folder; null: the one that prepare_audio was given"""


class HeadStudent(Taught):
    """A small conformer on the frames of an encoder that stays as it is."""

    kind: Literal["head"]
    network: Network
    regularisation: ConformerRegularisation = Field(default_factory=ConformerRegularisation)
    training: StudentTraining
    validation: Validation = Field(default_factory=Validation)
    words: HeadWords = Field(default_factory=HeadWords)


AnyStudent = SmallStudent | HeadStudent | PretrainedStudent
Student = Annotated[NoStudent | SmallStudent | HeadStudent | PretrainedStudent, Field(discriminator="kind")]
