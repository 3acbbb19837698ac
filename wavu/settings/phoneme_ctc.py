"""Settings of phoneme_ctc."""

from typing import Annotated

from pydantic import BeforeValidator, model_validator

from wavu.settings.base import Lengths, Loading, NotNegative, Place, Positive, Seed, Share, Word, Work
from wavu.settings.student import FineTuning, Small


def _named(value: object) -> object:
    if not isinstance(value, dict) or not value:
        raise ValueError("names no language; give '{LANGUAGE: PATH}', with espeak's name for it")
    return value


ByLanguage = Annotated[dict[Word, Place], BeforeValidator(_named)]


class PhonemeCtc(Work, Loading, Lengths):
    """``configs/phoneme_ctc.yaml``."""

    fine_tuning: FineTuning
    audio: ByLanguage
    labels: ByLanguage
    lexicon: ByLanguage | None
    start_from: Word | None
    seed: Seed
    alpha: Share = 0.5
    """languages are heard in proportion to their share of the audio to this power (as XLSR); 1: as much as there is"""
    min_phone_share: Share = 0.0001
    """a phone of a language rarer than this is too rare to be learned, and utterances that hold it are left out"""
    min_seconds: NotNegative = 0.3
    """a shorter utterance is left out: it holds hardly one phone"""
    max_seconds: Positive = 30.0
    """a longer one is left out: it needs much memory, and its text cannot be cut"""

    @model_validator(mode="after")
    def _fits_together(self) -> "PhonemeCtc":
        if (self.start_from is None) != isinstance(self.fine_tuning, Small):
            raise ValueError(
                "start_from=null and fine_tuning=small go together: a network from random weights; other choices fine-tune an encoder"
            )
        if self.audio.keys() != self.labels.keys():
            raise ValueError(
                f"audio= names {', '.join(self.audio)} and labels= {', '.join(self.labels)}; each language needs both"
            )
        if strange := (self.lexicon or {}).keys() - self.audio.keys():
            raise ValueError(f"lexicon= names {', '.join(sorted(strange))}, of which there is no audio")
        return self
