import csv
from importlib import resources

import pytest

from wavu.errors import WavuError
from wavu.text import phonemise
from wavu.text.phonemise import check_language, is_written_in, letters, phone_map, phones, pronounce, scripts


def said_of(words: list[str], language: str) -> list[str]:
    return [" ".join(row) for row in pronounce(words, language=language, units="phone", said={})[0]]


@pytest.mark.parametrize(
    ("language", "word", "expected"),
    [
        ("en-us", "water", "w ɔː t ɚ"),
        ("en-us", "happy", "h æ p iː"),
        ("en-us", "north", "n ɔː ɹ θ"),
        ("en-us", "little", "l ɪ t ə l"),
        ("de", "Straße".lower(), "ʃ t ʁ ɑː s ə"),
        ("de", "wasser", "v a s ɐ"),
        ("es", "cada", "k a d a"),
        ("es", "vivir", "b i b i ɾ"),
        ("es", "perro", "p e r o"),
        ("es", "pero", "p e ɾ o"),
        ("es", "agua", "a ɡ u a"),
        ("es", "tengo", "t e n ɡ o"),
        ("ky", "жашоо", "dʒ ɑ ʃ oː"),
        ("ky", "чоң", "tʃ o ŋ"),
        ("ky", "дос", "d o s"),
        ("ky", "тили", "t i l i"),
        ("ky", "өлкө", "ø l k ø"),
        ("ky", "шаар", "ʃ ɑː r"),
        ("ky", "суу", "s uː"),
    ],
)
def test_words_of_four_languages(language, word, expected):
    assert said_of([word], language) == [expected]


def test_a_word_that_fails_leaves_its_neighbours_alone():
    words = ["one", "мама", "two", "42", "three", "ꟸ", "four"]
    spelled, reasons = pronounce(words, language="en-us", units="phone", said={})
    assert [bool(row) for row in spelled] == [True, False, True, False, True, False, True]
    assert [" ".join(row) for row in spelled[::2]] == said_of(["one", "two", "three", "four"], "en-us")
    assert reasons["мама"] == "not in Latin letters"
    assert reasons["42"] == "num2words has no words for it in en-us"
    assert reasons["ꟸ"] == "espeak says nothing"


def test_a_word_said_as_another_language_is_dropped():
    spelled, reasons = pronounce(["haus", "show", "baum"], language="de", units="phone", said={})
    assert spelled[0] and not spelled[1] and spelled[2]
    assert reasons == {"show": "espeak reads it as another language (en)"}


def test_a_word_said_as_many_words_is_one_word():
    assert said_of(["xi", "xi"], "de") == ["ʁ øː m ɪ ʃ ɛ l f"] * 2


def test_lines_lost_by_espeak_are_found_word_by_word(monkeypatch):
    whole = phonemise.EspeakBackend.phonemize

    def loses_a_line(self, text, **settings):
        said = whole(self, text, **settings)
        return said[1:] if len(said) > 1 else said

    monkeypatch.setattr(phonemise.EspeakBackend, "phonemize", loses_a_line)
    assert said_of(["one", "two", "six"], "en-us") == ["w ʌ n", "t uː", "s ɪ k s"]


def test_what_was_said_before_is_not_asked_again(monkeypatch):
    asked = []
    monkeypatch.setattr(phonemise, "_say", lambda words, language: asked.extend(words) or ["x"] * len(words))
    said = {"old": "o l d"}
    assert pronounce(["old", "new", "new"], language="de", units="phone", said=said)[0] == [["oː", "l", "d"], ["x"], ["x"]]
    assert asked == ["new"] and said == {"old": "o l d", "new": "x"}


def test_stress_tone_and_separators_are_no_phones():
    assert phones(" ˈa1 t[  S:", "xx") == ["a", "t", "ʃː"]
    with pytest.raises(ValueError, match="says nothing"):
        phones(" - ", "xx")


@pytest.mark.parametrize("name", sorted(file.name for file in (resources.files("wavu.text") / "phone_maps").iterdir()))
def test_phone_maps_are_whole_and_final(name):
    with (resources.files("wavu.text") / "phone_maps" / name).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    table = phone_map(name.removesuffix(".tsv"))
    assert len(rows) == len(table), "a phone is listed twice"
    assert all(row["phones"].split() and row["why"] for row in rows)
    assert not [phone for folded in table.values() for phone in folded if phone in table], "folded to what is folded"


def test_dialects_share_the_map_of_their_language():
    assert phone_map("es-419") == phone_map("es") and phone_map("sw") == {}


def test_letters_are_what_a_reader_counts():
    assert letters("nǁà'a") == ["n", "ǁ", "à", "a"]
    assert letters("हिन्दी") == ["हि", "न्दी"]
    assert pronounce(["été", "x2"], language="none", units="char", said={})[0] == [["é", "t", "é"], []]


def test_scripts():
    assert scripts("en-us") == ["Latin"] and scripts("ru-lv") == ["Cyrillic"] and scripts("fa-latn") == ["Latin"]
    assert is_written_in("weiß", scripts("de")) and is_written_in("сүт", scripts("ky")) and is_written_in("हिन्दी", scripts("hi"))
    assert not is_written_in("weiß", scripts("ky")) and not is_written_in("aрт", scripts("ky"))


@pytest.mark.parametrize(
    ("given", "nearest"),
    [("en", "en-us"), ("english", "en-us"), ("fr", "fr-fr"), ("German", "de"), ("kyrgiz", "ky"), ("en_us", "en-us")],
)
def test_an_unknown_language_gets_the_nearest(given, nearest):
    with pytest.raises(WavuError, match=f"does not speak '{given}'; did you mean '{nearest}'"):
        check_language(given)


def test_languages_whose_names_begin_so_may_be_meant():
    with pytest.raises(WavuError, match=r"'ge'; did you mean 'ka' \(Georgian\), 'de' \(German\) or 'el' \(Greek\)\?"):
        check_language("ge")
    with pytest.raises(WavuError, match=r"'g'; did you mean '\w+' \(\w+\)\?; units"):  # one letter begins too many
        check_language("g")


def test_a_language_like_no_other():
    with pytest.raises(WavuError, match="does not speak 'qqqq'; units=char"):
        check_language("qqqq")


def test_words_are_said_in_batches_and_progress_is_told(monkeypatch):
    words = ["one", "мама", "two", "six", "ten", "old"]
    together, _ = pronounce(words, language="en-us", units="phone", said={"old": "oʊ l d"})
    monkeypatch.setattr(phonemise, "BATCH", 2)
    monkeypatch.setattr("wavu.feed.cores", lambda: 1)
    told = []
    assert pronounce(words, language="en-us", units="phone", said={"old": "oʊ l d"}, advance=told.append)[0] == together
    assert told == [2, 2, 2]


def test_all_cores_say_what_one_says(monkeypatch):
    words = [first + rest for first in "bdfgklmnprst" for rest in ("ook", "it", "an", "ee")]
    alone, _ = pronounce(words, language="en-us", units="phone", said={})
    monkeypatch.setattr(phonemise, "BATCH", 10)
    monkeypatch.setattr("wavu.feed.cores", lambda: 2)
    monkeypatch.setattr("wavu.feed.ALONE_SECONDS", 0)
    assert pronounce(words, language="en-us", units="phone", said={})[0] == alone
