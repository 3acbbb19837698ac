import pytest

from wavu.errors import WavuError
from wavu.scoring.pairs import paired, spoken


def test_what_is_true_decides_which_utterances_count() -> None:
    assert paired({"b": ["t"], "extra": ["t"]}, {"a": ["k"], "b": ["o"]}) == [([], ["k"]), (["t"], ["o"])]


@pytest.mark.parametrize(("found", "first"), [({"a.wav": ["t"]}, "a.wav"), ({}, "none")])
def test_nothing_in_common_is_an_error_that_shows_both_ids(found: dict, first: str) -> None:
    with pytest.raises(WavuError, match=f"'{first}' and 'a'.*without the ending"):
        paired(found, {"a": ["t"]})


def test_silence_is_not_spoken() -> None:
    assert spoken({"a": ["<SIL>", "t", "<SIL>"], "b": ["<SIL>"]}) == {"a": ["t"], "b": []}
