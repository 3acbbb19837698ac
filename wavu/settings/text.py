"""Settings of prepare_text."""

from typing import Annotated, Literal

from pydantic import Field

from wavu.settings.base import Count, Place, Word, Work

Units = Literal["phone", "char"]
Order = Annotated[int, Field(ge=1, le=6)]  # KenLM, as pip builds it, reads no longer n-grams


class PrepareText(Work):
    """``configs/prepare_text.yaml``."""

    text: Place
    language: Word
    units: Units
    min_phone_share: Annotated[float, Field(ge=0, lt=1)] = 0.0001
    """a phone rarer than this in the running text goes, and its words: one in 10,000 is too rare to be learned"""
    min_sentences: Count = 50
    """with fewer, counts of phone pairs say nothing about a language; 1,000 and more are better"""
    phone_order: Order = 4
    """length of the n-grams of phones, as wav2vec-U takes them to choose among runs"""
    word_order: Order = 3
    """length of the n-grams of words; a small text holds few longer ones twice"""
    memory_gb: Annotated[float, Field(gt=0)] = Field(default=2.0, exclude=True)
    """for counting n-grams; what does not fit in it lies beside out_dir while the command runs. Results do not depend on it"""
