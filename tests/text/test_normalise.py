import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavu.text.normalise import words

TABLE = [
    ("en-us", "Hello,  World!", "hello world"),
    ("en-us", "'Tis don’t — dogs' ‘quoted’", "tis don't dogs quoted"),
    ("en-us", "well-known mother-in-law", "well known mother in law"),
    (
        "en-us",
        "1,234 men; 3.14; 0.125",
        "one thousand two hundred and thirty four men three point one four zero point one two five",
    ),
    ("en-us", "1,234.5", "one thousand two hundred and thirty four point five"),
    ("en-us", "In 1984, 21st May at 10:30", "in nineteen eighty four twenty first may at ten thirty"),
    ("en-us", "mp3 50% $5", "mp three fifty five"),
    ("de", "Straße ÄÖÜ ẞ 1.234 und 3,5", "straße äöü ß eintausendzweihundertvierunddreißig und drei komma fünf"),
    ("de", "1989", "neunzehnhundertneunundachtzig"),
    ("es", "¿Qué? ¡El 1º y 21!", "qué el primero y veintiuno"),
    ("es-419", "5", "cinco"),
    ("pt-br", "22", "vinte e dois"),
    ("fr-fr", "L’été à 80 km", "l'été à quatre vingts km"),
    ("ky", "Кыргыз тили 12 жыл", "кыргыз тили 12 жыл"),  # num2words has no Kyrgyz
    ("kok", "5", "5"),  # nor Konkani, whose name begins like Korean's
    ("kk", "5", "бес"),
    ("tr", "IŞIK İzmir", "ışık izmir"),
    ("hi", "हिन्दी में लिखो", "हिन्दी में लिखो"),
    ("en-us", "cafe\u0301 co\u00adop A\u200bB \ufeffx", "café coop ab x"),
    ("en-us", "ﬁne oﬃce ＦＵＬＬ　ｗｉｄｔｈ", "fine office full width"),
    ("ar", "\ufe91\ufe8e\ufe91", "\u0628\u0627\u0628"),
    ("en-us", "\u0301 x² ½", "x ² ½"),
    ("en-us", "12.03.2020", "twelve three twenty twenty"),
    ("en-us", "... --- !?", ""),
    ("en-us", "", ""),
]


@pytest.mark.parametrize(("language", "line", "expected"), TABLE)
def test_table(language, line, expected):
    assert words(line, language) == expected.split()


def test_a_number_beyond_the_tables_stays_in_digits():
    assert words("1" + "0" * 400, "en-us") == ["1" + "0" * 400]


@given(st.text(max_size=40))
def test_words_hold_nothing_that_would_break_a_table(line):
    for word in words(line, "en-us"):
        assert word and not any(character.isspace() for character in word) and word.strip("'") == word
        assert not any(character in word for character in '<>"|()')
