"""What learn, check and demo refuse before anything is written."""

from pathlib import Path

import pytest

from wavu.command import composed
from wavu.errors import WavuError
from wavu.invent.speech import VOICES
from wavu.settings.path import Check, Demo, Learn

MATERIAL = ["audio_dir=recordings", "text=a.txt", "language=de"]
GIVEN = [*MATERIAL, "out_dir=run"]


def test_check_looks_at_what_learn_would_take() -> None:
    names = ("audio_dir", "text", "language", "units", "voice")
    assert composed("check", Check, MATERIAL).plain(*names) == composed("learn", Learn, GIVEN).plain(*names)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("stages.prepare_audio=['encoder.model=x']", "encoder.model is a setting of wavu learn itself"),
        ("stages.self_train=['student=head','seed=3']", "seed is a setting of wavu learn itself"),
        ("stages.self_train=['rounds=2']", "rounds is about generators, of which wavu learn trains none"),
        ("stages.self_train=student=head", "stages.self_train=.* must be a list"),
        ("out_dir=recordings/run", "out_dir=recordings/run lies among the recordings in recordings"),
        ("out_dir=recordings", "lies among the recordings"),
        ("examples=-1", "examples=-1 must be at least 0"),
        ("units=letters", "units=letters is unknown; give 'phone' or 'char'"),
    ],
)
def test_learn_refuses_in_a_line(change: str, told: str) -> None:
    with pytest.raises(WavuError, match=told):
        composed("learn", Learn, [*GIVEN, change])


def test_a_folder_beside_the_recordings_of_a_name_that_begins_alike_is_none_of_them() -> None:
    assert composed("learn", Learn, [*MATERIAL, "out_dir=recordings_run"]).out_dir == Path("recordings_run")


def test_check_listens_to_something() -> None:
    with pytest.raises(WavuError, match="sample=0 must be at least 1"):
        composed("check", Check, [*MATERIAL, "sample=0"])


def test_a_demo_has_as_many_voices_as_there_are() -> None:
    assert composed("demo", Demo, [f"demo.voices={len(VOICES)}"]).stages.gan_train == ["sweep=rates", "updates=400"]
    with pytest.raises(WavuError, match="demo.voices=5 must be at most 4"):
        composed("demo", Demo, [f"demo.voices={len(VOICES) + 1}"])
