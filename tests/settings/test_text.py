"""What prepare_text refuses before it reads anything."""

import pytest

from wavu.command import composed
from wavu.errors import WavuError
from wavu.settings.text import PrepareText

GIVEN = ["text=a.txt", "language=de", "out_dir=out"]


def test_what_is_seldom_set_is_as_documented() -> None:
    settings = composed("prepare_text", PrepareText, GIVEN)
    assert settings.units == "phone" and (settings.phone_order, settings.word_order) == (4, 3)
    assert settings.plain("min_phone_share", "min_sentences") == {"min_phone_share": 1e-4, "min_sentences": 50}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("units=phones", "units=phones is unknown; give 'phone' or 'char'"),
        ("phone_order=0", "phone_order=0 must be at least 1"),
        ("word_order=7", "word_order=7 must be at most 6"),
        ("word_order=2.5", "word_order=2.5 must be a whole number"),
        ("min_phone_share=1", "min_phone_share=1 must be below 1"),
        ("min_phone_share=few", "min_phone_share=few must be a number"),
        ("min_phone_share=nan", "min_phone_share=nan must be a finite number"),
        ("min_sentences=0", "min_sentences=0 must be at least 1"),
        ("text=''", "text= must be the path of a file or folder"),
    ],
)
def test_what_cannot_be_is_refused(change: str, told: str) -> None:
    with pytest.raises(WavuError, match=told):
        composed("prepare_text", PrepareText, [*GIVEN, change])
