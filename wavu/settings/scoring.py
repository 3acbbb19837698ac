"""Settings of evaluate and report."""

from typing import Annotated

from pydantic import Field, model_validator

from wavu.settings.base import Count, Place, Positive, Seed, Settings, Whole


class Bootstrap(Settings):
    """Of the utterances, for intervals."""

    level: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """share of the resamples that an interval holds"""
    resamples: Count = 1000
    """of the utterances; ten times as many move the ends of an interval by a few percent of its width"""
    seed: Seed = 0
    """of the resampling"""


class Evaluate(Settings):
    """``configs/evaluate.yaml``."""

    hypotheses: Place | None
    references: Place | None
    text: Place | None
    baseline: Place | None
    times: Place | None
    alignments: Place | None
    audio: Place | None
    codes: Place | None
    out: Place | None
    pictures: Place | None
    tolerance_ms: Positive
    bootstrap: Bootstrap = Field(default_factory=Bootstrap)
    worst: Whole = 10
    """confusions shown; out= and pictures= hold all of them"""

    @model_validator(mode="after")
    def _something_to_score(self) -> "Evaluate":
        if bool(self.hypotheses) != bool(self.references):
            raise ValueError("hypotheses= and references= go together")
        if self.baseline and not self.hypotheses:
            raise ValueError("baseline= goes together with hypotheses= and references=")
        if bool(self.alignments) != bool(self.times or self.audio or self.codes):
            raise ValueError("alignments= goes together with times= (boundaries), audio= (clusters), codes= or several of them")
        if not (self.hypotheses or self.alignments):
            raise ValueError("give hypotheses= and references=, or alignments= with times=, audio= or codes=")
        return self


class Report(Settings):
    """``configs/report.yaml``."""

    run: Place
    out: Place | None
    references: Place | None
    examples: Whole
    seconds: Positive = 10.0
    """of an utterance, at most; ten of these make a file of 2 MB"""
    seed: Seed = 0
    """of the choice of examples"""
    worst: Whole = 10
    """utterances shown with their errors"""
    bootstrap: Bootstrap = Field(default_factory=Bootstrap)
