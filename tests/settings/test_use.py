"""What transcribe, serve and zero_shot refuse before a model is opened."""

from typing import get_args

import pytest

from wavu.command import composed
from wavu.errors import WavuError
from wavu.settings.base import Settings
from wavu.settings.use import Serve, Transcribe, ZeroShot
from wavu.transcription import FORMATS

COMMANDS: dict[str, tuple[type[Settings], list[str]]] = {
    "transcribe": (Transcribe, ["files=[a]", "model=m"]),
    "serve": (Serve, ["model=m"]),
    "zero_shot": (ZeroShot, ["files=[a]", "model=a/b", "text=t", "out=o"]),
}


def test_every_format_can_be_asked_for() -> None:
    named, _ = get_args(Transcribe.model_fields["format"].annotation)
    assert get_args(named) == tuple(FORMATS)


def test_recordings_are_cut_as_prepare_audio_cuts_them_unless_said_otherwise() -> None:
    assert composed("transcribe", Transcribe, COMMANDS["transcribe"][1]).max_seconds is None
    assert composed("zero_shot", ZeroShot, COMMANDS["zero_shot"][1]).plain("min_seconds", "max_seconds") == {
        "min_seconds": 0.3, "max_seconds": 40.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("command", "change", "told"),
    [
        ("transcribe", "files=a", "files=a must be a list"),
        ("transcribe", "format=sbv", "format=sbv is unknown; give 'txt'"),
        ("transcribe", "max_seconds=0.5", "max_seconds=0.5 must be at least 1"),
        ("transcribe", "nbest=0", "nbest=0 must be at least 1"),
        ("transcribe", "words=1", "words=1 must be true or false"),
        ("serve", "port=65536", "port=65536 must be at most 65535"),
        ("serve", "port=80.5", "port=80.5 must be a whole number"),
        ("serve", "host=''", "host= is empty"),
        ("serve", "max_megabytes=0", "max_megabytes=0 must be above 0"),
        ("zero_shot", "max_seconds=0", "max_seconds=0 must be at least 1"),
        ("zero_shot", "min_seconds=40", "max_seconds=40 must be above min_seconds=40"),
    ],
)
def test_what_cannot_be_is_refused(command: str, change: str, told: str) -> None:
    schema, given = COMMANDS[command]
    with pytest.raises(WavuError, match=told):
        composed(command, schema, [*given, change])
