"""Settings of what goes the whole path: learn, check before it, and demo."""

from typing import Annotated

from pydantic import Field, model_validator

from wavu.settings.audio import Encoder
from wavu.settings.base import Count, Loading, Place, Seed, Settings, Whole, Word
from wavu.settings.text import Units

OF_LEARN = {"encoder", "out_dir", "audio_dir", "text", "audio", "gan", "language", "units", "voice", "seed"}
OF_GENERATORS = {"rounds", "voters", "again"}


class Material(Settings):
    """What the path begins with."""

    audio_dir: Place
    text: Place
    language: Word
    units: Units
    voice: Word | None


class Check(Material):
    """``configs/check.yaml``."""

    sample: Count = 60
    """recordings that are listened to; all are counted"""
    seed: Seed = 0
    """of their choice"""


class LearnStages(Settings):
    """Settings given to each stage, beside folders, language and seed."""

    prepare_text: list[str] = []
    """such as [min_sentences=20]"""
    prepare_audio: list[str] = []
    """such as [vad=silero,kmeans.clusters=64]"""
    decipher_segments: list[str] = []
    """such as [reading.sentences=600]"""
    self_train: list[str]


class Learn(Material, Loading):
    """``configs/learn.yaml``."""

    encoder: Encoder
    out_dir: Place
    seed: Seed
    examples: Whole = 10
    """recordings that are transcribed in the end, and can be listened to in the report"""
    stages: LearnStages

    @model_validator(mode="after")
    def _what_the_stages_may_be_given(self) -> "Learn":
        for name in sorted(word.split("=")[0] for words in self.stages.plain().values() for word in words):
            if name.split(".")[0] in OF_LEARN:
                raise ValueError(f"{name} is a setting of wavu learn itself; give it there, not in stages")
            if name.split(".")[0] in OF_GENERATORS:
                raise ValueError(
                    f"{name} is about generators, of which wavu learn trains none; leave it out of stages.self_train"
                )
        return self

    @model_validator(mode="after")
    def _apart(self) -> "Learn":
        if self.out_dir.resolve().is_relative_to(self.audio_dir.resolve()):
            raise ValueError(
                f"out_dir={self.out_dir} lies among the recordings in {self.audio_dir}; choose a folder outside of it"
            )
        return self


class Corpus(Settings):
    """The invented language, and what is said and written in it."""

    utterances: Count
    held_out: Count = 100
    """spoken sentences that no stage hears; the last one is scored on them"""
    sentences: Count
    lexicon: Count = 250
    """words of the language"""
    voices: Annotated[int, Field(ge=1, le=4)]
    words_per_minute: Annotated[int, Field(ge=80, le=450)] = 130
    """an unhurried reader"""


class DemoStages(Settings):
    """Settings given to each command, beside folders and seed."""

    prepare_audio: list[str] = ["encoder=mfcc", "segment=ward"]
    """one clear voice needs no model"""
    prepare_text: list[str] = []
    """none"""
    cold_gan: list[str] = [
        "recipe=wav2vec_u", "members=1", "updates=300", "batch_size=32", "discriminator.channels=96", "validation.every=150",
    ]  # fmt: skip
    """to see that it fails"""
    gan_train: list[str] = ["sweep=rates", "updates=400"]
    """8 members"""
    self_train: list[str] = []
    """none; the defaults are for a corpus of about this size"""


class Demo(Settings):
    """``configs/demo.yaml``."""

    out_dir: Place
    seed: Seed
    demo: Corpus
    stages: DemoStages = Field(default_factory=DemoStages)
