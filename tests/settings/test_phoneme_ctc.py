"""Each language has recordings and labels; a network of its own starts from nothing."""

from pathlib import Path

import pytest

from wavu.command import composed
from wavu.errors import WavuError
from wavu.settings.phoneme_ctc import PhonemeCtc


def settings(*changes: str) -> PhonemeCtc:
    given = {"audio": "{de: a}", "labels": "{de: b}", "start_from": "x", "out_dir": "o"}
    given |= dict(change.split("=", 1) for change in changes)
    return composed("phoneme_ctc", PhonemeCtc, [f"{name}={value}" for name, value in given.items()])


def test_places_are_by_language() -> None:
    found = settings("lexicon={de: c}")
    assert (found.audio, found.labels, found.lexicon) == ({"de": Path("a")}, {"de": Path("b")}, {"de": Path("c")})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["audio=nowhere"], "audio=nowhere names no language"),
        (["labels={}"], "names no language"),
        (["audio={de: null}"], "audio=null must be the path"),
        (["labels={es: b}"], "audio= names de and labels= es; each language needs both"),
        (["lexicon={es: c}"], "lexicon= names es, of which there is no audio"),
        (["start_from=null"], "start_from=null and fine_tuning=small go together"),
        (["fine_tuning=small"], "start_from=null and fine_tuning=small go together"),
        (["fine_tuning.network.width=3"], "unknown setting 'fine_tuning.network'"),
        (["max_seconds=0.2"], "max_seconds=0.2 must be above min_seconds=0.3"),
        (["alpha=2"], "alpha=2 must be at most 1"),
    ],
)
def test_what_cannot_work_is_refused(changes: list[str], told: str) -> None:
    with pytest.raises(WavuError, match=told):
        settings(*changes)
