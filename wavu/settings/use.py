"""Settings of what uses a recogniser: transcribe, serve, export and zero_shot."""

from typing import Annotated, Literal

from pydantic import Field

from wavu.settings.base import Count, Lengths, Loading, NotNegative, Place, Positive, Word
from wavu.settings.vad import Vad

PartSeconds = Annotated[float, Field(ge=1, le=1e12)]  # a part must have room for a word
Port = Annotated[int, Field(ge=0, le=2**16 - 1)]


class Transcribe(Loading):
    """``configs/transcribe.yaml``."""

    files: list[Word]
    model: Place
    format: Literal["txt", "tsv", "ctm", "json", "srt", "vtt", "textgrid"] | None
    out: Place | None
    times: Place | None
    max_seconds: PartSeconds | None = None
    """a longer file is heard in parts, cut at its longest pauses; null: as prepare_audio's, 40"""
    words: bool
    rescore: Place | None
    nbest: Count = 50
    """sentences that rescore= chooses among"""


class Serve(Loading):
    """``configs/serve.yaml``."""

    model: Place
    host: Word
    port: Port
    max_megabytes: Positive = 100.0
    """MB (1,000,000 bytes) of an upload; a larger one is refused"""
    max_seconds: Positive = 600.0
    """of audio; a longer recording is refused"""


class Export(Loading):
    """``configs/export.yaml``."""

    model: Place
    out: Place


class ZeroShot(Loading, Lengths):
    """``configs/zero_shot.yaml``."""

    files: list[Word]
    model: Word
    text: Place
    out: Place
    vad: Vad
    mapping: Place | None = None
    """TSV to write: source, target, distance, heard (how often); null: beside out, NAME.mapping.tsv"""
    min_seconds: NotNegative = 0.3
    """of audio; a shorter recording is left out: it holds hardly one phone"""
    max_seconds: PartSeconds = 40.0
    """a longer recording is heard in parts, cut at its longest pauses"""
