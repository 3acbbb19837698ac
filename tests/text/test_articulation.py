"""Phones of one language as those of another: what a phonetician expects, and what must hold for any inventories."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavu.text.articulation import STRETCH, between, match, match_all, slots

# As prepare_text finds them with espeak-ng.
GERMAN = "n t ə ʁ d a ɪ ɛ l s iː f aɪ m k ɡ b ʊ z ʃ eː v ɐ ɑː ts p ç oː ɔ aʊ uː ŋ h x j yː ɛː ʏ ɔʏ øː œ pf tʃ dʒ".split()
ENGLISH = "n ɪ t ə s ɹ d l ð æ k iː ɛ z ʌ m ɚ p w v eɪ f b uː ɔː h ɑː aɪ oʊ ʃ ŋ ɡ dʒ tʃ aʊ j ʊ θ ɔɪ ʒ".split()
SPANISH = "a e i o u p b t d k ɡ f θ s x tʃ m n ɲ l r ɾ ʝ w j".split()


@pytest.mark.parametrize(
    ("phone", "expected"),
    [
        ("ts", "t s"), ("pf", "p f"), ("yː", "uː"), ("ʏ", "ʊ"), ("øː", "oʊ"), ("œ", "ɔː"), ("ç", "ʃ"), ("x", "k"), ("ʁ", "ɹ"),
        ("a", "ʌ"), ("aɪ", "aɪ"), ("ɔʏ", "ɔɪ"), ("ɐ", "ʌ"), ("eː", "eɪ"), ("oː", "oʊ"), ("ɛː", "ɛ"), ("ɔ", "ɔː"), ("uː", "uː"),
        ("ʊɐ", "ʊ ʌ"), ("h", "h"),
    ],
)  # fmt: skip
def test_german_onto_english(phone: str, expected: str) -> None:
    assert " ".join(match(phone, ENGLISH).phones) == expected


@pytest.mark.parametrize(
    ("phone", "expected"),
    [
        ("θ", "s"), ("ð", "z"), ("w", "v"), ("ɹ", "ʁ"), ("æ", "ɛ"), ("ʌ", "ɐ"), ("eɪ", "eː"), ("oʊ", "oː"), ("dʒ", "dʒ"),
        ("ɚ", "ə ʁ"), ("ʒ", "ʃ"), ("ɔɪ", "ɔʏ"), ("ɔː", "ɔ"), ("ɾ", "ʁ"), ("ɫ", "l"), ("ᵻ", "ɪ"),
    ],
)  # fmt: skip
def test_english_onto_german(phone: str, expected: str) -> None:
    assert " ".join(match(phone, GERMAN).phones) == expected


@pytest.mark.parametrize(
    ("phone", "targets", "expected"),
    [
        ("dʒ", SPANISH, "tʃ"), ("aɪ", SPANISH, "a i"), ("ɪ", SPANISH, "i"), ("h", SPANISH, "x"), ("ʃ", SPANISH, "s"),
        ("yː", SPANISH, "u"), ("v", SPANISH, "f"), ("eː", SPANISH, "e"), ("ɲ", ENGLISH, "n"), ("ʎ", ENGLISH, "l"),
        ("β", ENGLISH, "v"), ("q", ENGLISH, "k"), ("ɔ̃", ENGLISH, "ɔː"), ("t͡ɕ", ENGLISH, "tʃ"), ("n̩", ENGLISH, "ə n"),
        ("ai5", ENGLISH, "aɪ"), ("i.5", ENGLISH, "iː"), ("aɪɚ", ENGLISH, "aɪ ɚ"), ("tʲ", ENGLISH, "t"), ("g", ENGLISH, "ɡ"),
    ],
)  # fmt: skip
def test_other_languages(phone: str, targets: list[str], expected: str) -> None:
    assert " ".join(match(phone, targets).phones) == expected


def test_a_sequence_is_taken_only_where_it_is_clearly_nearer() -> None:
    assert match("tʃ", ["t", "ʃ"]).phones == ("t", "ʃ")
    assert match("tʃ", ["t", "ʃ", "tʃ"]).phones == ("tʃ",)
    assert match("tʃ", ["t", "ʃ", "dʒ"]).phones == ("t", "ʃ")  # two voices too many
    assert match("eɪ", ["eː", "ɛ", "ɪ"]).phones == ("eː",)
    assert match("iː", ["i"]).phones == ("i",), "not twice the same"


def test_spelling_makes_no_difference() -> None:
    for one, other in (("t͡s", "ts"), ("ʧ", "tʃ"), ("ʦ", "t͜s"), ("g", "ɡ"), ("a:", "aː"), ("ə˞", "ɚ"), ("ˈa", "a"), ("ã", "ã")):
        assert slots(one) == slots(other) and match(one, [other]).distance == 0.0


@pytest.mark.parametrize("phone", ["", "5", "ˈ", "˥", "|", "漢"])
def test_what_is_no_phone_becomes_nothing(phone: str) -> None:
    assert match(phone, ENGLISH).phones == ()


def test_targets_that_are_no_phones_are_never_taken() -> None:
    assert match("a", ["漢", "ɛ"]).phones == ("ɛ",) and match("a", ["漢"]).phones == ()


SOME = st.lists(st.sampled_from(sorted({*GERMAN, *ENGLISH, *SPANISH})), min_size=1, max_size=8, unique=True)


@settings(max_examples=60, deadline=None)
@given(sources=SOME, targets=SOME, chance=st.randoms())
def test_what_holds_for_any_inventories(sources: list[str], targets: list[str], chance) -> None:
    found = match_all(sources, targets)
    assert list(found) == sources
    for source, matched in found.items():
        assert 1 <= len(matched.phones) <= 2 and set(matched.phones) <= set(targets)
        assert (matched.phones == (source,) and matched.distance == 0) if source in targets else matched.distance >= 0
    mixed = chance.sample(targets, len(targets))
    assert match_all(chance.sample(sources, len(sources)), mixed) == found


@settings(max_examples=40, deadline=None)
@given(first=st.sampled_from(GERMAN), second=st.sampled_from(ENGLISH))
def test_distances_are_the_same_either_way(first: str, second: str) -> None:
    one, other = slots(first), slots(second)
    there = (between(one, other) - STRETCH * abs(len(one) - len(other))) / len(one)
    back = (between(other, one) - STRETCH * abs(len(one) - len(other))) / len(other)
    assert there == pytest.approx(back) and there >= 0
