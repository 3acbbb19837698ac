"""A line of text to the words a reader would say: Unicode, case, punctuation and numbers."""

import unicodedata
from functools import lru_cache

import num2words
import regex

# num2words names few languages otherwise than espeak does.
_NUM2WORDS = {"kk": "kz", "nb": "no"}

# Languages whose capital I is dotless, unlike Unicode's default.
_DOTLESS = str.maketrans({"I": "ı", "İ": "i"})

_APOSTROPHES = regex.compile(r"[’‘ʼ`´]")
# Ligatures, full-width letters and the shapes of Arabic letters: the printer's doing, not spelling.
_SHAPES = regex.compile(r"[\uFB00-\uFDFF\uFE70-\uFEFE\uFF00-\uFFEF]+")
# Soft hyphens, direction marks, zero-width spaces and the Arabic stretching stroke; joiners stay, some scripts spell with them.
_INVISIBLE = regex.compile(r"(?![\u200c\u200d])\p{Cf}|\u0640")
_WORD = regex.compile(r"\p{L}[\p{L}\p{M}\u200c\u200d]*(?:'\p{L}[\p{L}\p{M}\u200c\u200d]*)*|\p{N}+")
_DIGIT = regex.compile(r"\d")
_NUMBER = regex.compile(
    r"""(?P<ordinal>\d+)(?:st|nd|rd|th|[ºª])\b
    | (?<![\d.,])                                                                # not from the middle of a date
      (?P<whole>[1-9]\d{0,2}(?:(?P<by>[.,'\u00a0\u202f])\d{3})(?:(?P=by)\d{3})*    # 1,234,567 or 1.234.567
             | \d+)
      (?:[.,](?P<fraction>\d+))? (?![.,]?\d)
    | (?P<part>\d+)
    """,
    regex.VERBOSE | regex.IGNORECASE,
)


def words(line: str, language: str) -> list[str]:
    """The words of a line, lower case, without punctuation.

    Apostrophes inside words stay ("don't"), hyphens part words, a year is read as one ("nineteen eighty-four"). A number in a
    language that num2words does not know stays in digits, to be dropped and reported; signs such as % and $ are not said.
    language: as espeak names it, such as ``en-us``.

    >>> words("Dr. Weiß’ 2. Straßen-Fest", "de"), words("It's 1,200 men in 1984!", "en-us")
    (['dr', 'weiß', 'zwei', 'straßen', 'fest'], ["it's", 'one', 'thousand', 'two', 'hundred', 'men', 'in', 'nineteen', 'eighty', 'four'])
    """
    if line.isascii():
        line = line.replace("`", "'")
    else:
        line = _SHAPES.sub(lambda match: unicodedata.normalize("NFKC", match[0]), unicodedata.normalize("NFC", line))
        line = _INVISIBLE.sub("", _APOSTROPHES.sub("'", line))
    if _DIGIT.search(line):
        line = _NUMBER.sub(lambda match: f" {_spoken(language=language, **match.groupdict())} ", line)
    if language in ("tr", "az"):
        line = line.translate(_DOTLESS)
    return _WORD.findall(line.lower())


@lru_cache(maxsize=100_000)
def _spoken(
    *, ordinal: str | None, whole: str | None, fraction: str | None, part: str | None, by: str | None, language: str
) -> str:
    """A number in words; in digits where num2words does not know how."""
    digits = regex.sub(r"\D", "", ordinal or whole or part)
    is_year = not (ordinal or fraction or by) and len(digits) == 4 and "1100" <= digits < "2100"
    base = language.split("-")[0]
    known = [name for name in (_NUM2WORDS.get(base), language.replace("-", "_"), base) if name in num2words.CONVERTER_CLASSES]
    for manner in ("ordinal" if ordinal else "year" if is_year else "cardinal", "cardinal"):
        try:
            return num2words.num2words(f"{digits}.{fraction}" if fraction else digits, lang=known[0], to=manner)
        except (NotImplementedError, ValueError, TypeError, ArithmeticError, LookupError):
            continue  # this language, or this size, is not in its tables
    return digits
