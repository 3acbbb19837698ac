"""What decipher_segments is given where nobody says anything, and what it refuses."""

import pytest

from wavu.command import composed
from wavu.errors import WavuError
from wavu.settings.segments import DecipherSegments

GIVEN = ["audio=a", "text=t", "out_dir=out"]


def test_the_settings_by_which_results_were_found_stay() -> None:
    settings = composed("decipher_segments", DecipherSegments, GIVEN)
    assert settings.voice == "auto" and len(settings.reading.speakers) == 10
    assert settings.channel.plain() == {"drop": 0.1, "double": 0.1, "copies": 3}
    assert settings.classifier.plain() == {"dims": 128, "exponent": 0.35, "shrinkage": 0.3}
    assert settings.rounds.plain() == {"voice": 1, "counts": 8}
    assert settings.reading.plain("pitch", "words_per_minute", "turns") == {"pitch": [25, 80], "words_per_minute": [130, 200], "turns": 8}  # fmt: skip
    assert settings.search.plain("clusters", "restarts", "tried") == {"clusters": 64, "restarts": 400, "tried": 6}
    assert set(settings.selection.plain()) == {"weighted_lm_perplexity", "jsd1", "jsd2", "jsd3"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("channel.drop=1", "channel.drop=1 must be below 1"),
        ("reading.speakers=[]", "reading.speakers=.* must have at least 1 values"),
        ("reading.pitch=[80,25]", "reading.pitch=.* must be two different numbers, the lesser first"),
        ("reading.pitch=[25,25]", "reading.pitch=.* must be two different numbers, the lesser first"),
        ("reading.pitch=[25,120]", "reading.pitch=120 must be at most 99"),
        ("search.clusters=1", "search.clusters=1 must be at least 2"),
        ("search.lags=[0]", "search.lags=0 must be at least 1"),
        ("rounds.counts=0", "rounds.counts=0 must be at least 1"),
        ("selection.jsd1=-1", "selection.jsd1=-1 must be at least 0"),
    ],
)
def test_what_cannot_be_is_refused(change: str, told: str) -> None:
    with pytest.raises(WavuError, match=told):
        composed("decipher_segments", DecipherSegments, [*GIVEN, change])
