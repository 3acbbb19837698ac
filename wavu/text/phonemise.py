"""Words to phones: espeak-ng says each word once, a table per language folds what a listener would not keep apart."""

import csv
import difflib
import logging
import os
from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib import resources

import espeakng_loader
import regex

from wavu.errors import WavuError
from wavu.feed import in_processes

# The library of the wheel looks for its data where it was built and, not finding it, ends the process: tell it before it loads.
if "PHONEMIZER_ESPEAK_LIBRARY" not in os.environ:
    os.environ["PHONEMIZER_ESPEAK_LIBRARY"] = espeakng_loader.get_library_path()
    os.environ["ESPEAK_DATA_PATH"] = espeakng_loader.get_data_path()

from phonemizer.backend import EspeakBackend  # noqa: E402
from phonemizer.separator import Separator  # noqa: E402

# Scripts of the languages that espeak does not read in Latin letters, by the first part of their names.
_SCRIPTS = {
    "Arabic": "ar fa sd ur", "Arabic Latin": "ug", "Armenian": "hy hyw", "Bengali": "as bn bpy", "Cherokee": "chr",
    "Cyrillic": "ba be bg cv kk ky mk nog ru tt uk", "Cyrillic Latin": "sr", "Devanagari": "hi kok mr ne", "Ethiopic": "am ti",
    "Georgian": "ka", "Greek": "el grc", "Gujarati": "gu", "Gurmukhi": "pa", "Han": "cmn yue", "Han Hiragana Katakana": "ja",
    "Hangul": "ko", "Hebrew": "he", "Kannada": "kn", "Malayalam": "ml", "Myanmar": "my shn", "Oriya": "or", "Sinhala": "si",
    "Tamil": "ta", "Telugu": "te", "Thai": "th",
}  # fmt: skip
_SCRIPTS_OF = {language: scripts.split() for scripts, languages in _SCRIPTS.items() for language in languages.split()}
_SCRIPTS_OF |= {"en-shaw": ["Shavian"], "fa-latn": ["Latin"], "cmn-latn-pinyin": ["Latin"]}

# What voices of espeak leave untranslated into IPA, and tones and stress, which are no phones of their own.
_TO_IPA = str.maketrans(
    {"S": "ʃ", "Z": "ʒ", "N": "ŋ", "X": "χ", "A": "ɑ", "?": "ʔ", ":": "ː"} | dict.fromkeys("0123456789[]\"#^`.'-ˈˌ")
)

_SWITCH = regex.compile(r"\((\w[\w-]*)\)")  # espeak names the language in which it reads a foreign word


@cache
def languages() -> dict[str, str]:
    """What espeak speaks: its name for each language and the English one."""
    return EspeakBackend.supported_languages()


def version() -> str:
    """The version of espeak-ng."""
    return ".".join(map(str, EspeakBackend.version()))


def check_language(language: str) -> None:
    """Refuse a language that espeak does not speak.

    Raises:
        WavuError: with those that may be meant.
    """
    if language not in languages():
        near = [f"'{code}' ({languages()[code]})" for code in _meant(language.lower())]
        hint = f"; did you mean {', '.join(near[:-1])}{' or ' * (len(near) > 1)}{near[-1]}?" if near else ""
        raise WavuError(f"espeak does not speak '{language}'{hint}; units=char takes any language")


def _meant(word: str) -> list[str]:
    """Languages whose English name begins with a word of two letters or more, and the one whose code or name is nearest to it."""
    codes = sorted(languages(), key=lambda code: (-len(code), code))  # of many kinds of English, the last one: en-us
    names = {languages()[code].split(" (")[0].lower(): code for code in codes}
    known = names | {code: code for code in codes}
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    begin = [name for name in sorted(names) if len(word) > 1 and name.startswith(word)]
    return list(dict.fromkeys(known[name] for name in [*begin, *near]))


def scripts(language: str) -> list[str]:
    """Unicode names of the scripts that espeak reads for a language."""
    return _SCRIPTS_OF.get(language) or _SCRIPTS_OF.get(language.split("-")[0]) or ["Latin"]


def is_written_in(word: str, scripts: Sequence[str]) -> bool:
    """Whether all letters of a word belong to the scripts.

    >>> is_written_in("don't", ["Latin"]), is_written_in("мама", ["Latin"])
    (True, False)
    """
    return _letters_of(tuple(scripts)).fullmatch(word) is not None


@cache
def _letters_of(scripts: tuple[str, ...]) -> regex.Pattern:
    listed = "".join(rf"\p{{Script={name}}}" for name in (*scripts, "Inherited", "Common"))  # marks and apostrophes
    return regex.compile(f"[{listed}]+")


BATCH = 20_000  # words that a process says at once


def pronounce(
    words: Sequence[str], *, language: str, units: str, said: dict[str, str], advance: Callable[[int], None] = lambda n: None
) -> tuple[list[list[str]], dict[str, str]]:
    """The phones of each of W words, or its letters, and for each word that has none the reason.

    units: ``phone``, or ``char`` for a language without a phonemiser. said: what espeak said before, by word; it grows.
    advance: told how many words are done, batch by batch.
    """
    reasons = {word: reason for word in words if (reason := _unreadable(word, language, units))}
    if units == "char":
        return [[] if word in reasons else letters(word) for word in words], reasons
    new = [word for word in dict.fromkeys(words) if word not in reasons and word not in said]
    advance(len(words) - len(new))
    batches = [new[start : start + BATCH] for start in range(0, len(new), BATCH)]
    for batch, answers in zip(batches, in_processes(partial(_say, language=language), batches), strict=True):
        said |= zip(batch, answers, strict=True)
        advance(len(batch))
    spelled: list[list[str]] = []
    for word in words:
        try:
            spelled.append([] if word in reasons else phones(said[word], language))
        except ValueError as error:
            spelled.append([])
            reasons[word] = str(error)
    return spelled, reasons


def _unreadable(word: str, language: str, units: str) -> str | None:
    if regex.search(r"\p{N}", word):
        return f"num2words has no words for it in {language}"
    if units == "phone" and not is_written_in(word, scripts(language)):
        return f"not in {' or '.join(scripts(language))} letters"
    return None


def _say(words: Sequence[str], language: str) -> list[str]:
    """What espeak says for each word, its phones parted by spaces, as it is.

    Each word is one utterance, so that a word which says nothing, or much, leaves its neighbours alone.
    """
    logger = logging.getLogger("wavu.espeak")
    logger.setLevel(logging.ERROR)  # every warning of phonemizer is about a word that is looked at below
    backend = EspeakBackend(language, language_switch="keep-flags", logger=logger)
    parts = Separator(phone=" ", word="|", syllable="")
    said = backend.phonemize(list(words), separator=parts, strip=True)
    if len(said) != len(words):
        said = ["".join(backend.phonemize([word], separator=parts, strip=True)) for word in words]
    return said


def phones(said: str, language: str) -> list[str]:
    """The phones of a word from what espeak said, in IPA, folded by the table of the language.

    Raises:
        ValueError: there are none, or they are those of another language.
    """
    if switch := _SWITCH.search(said):
        raise ValueError(f"espeak reads it as another language ({switch[1]})")
    folded = [phone for raw in said.replace("|", " ").split() for phone in _fold(raw, language)]
    if not folded:
        raise ValueError("espeak says nothing")
    return folded


@cache  # a text of many words holds few phones: each is one string, and folded once
def _fold(raw: str, language: str) -> list[str]:
    clean = raw.translate(_TO_IPA)
    return phone_map(language).get(clean, [clean] if clean else [])


@cache
def phone_map(language: str) -> dict[str, list[str]]:
    """What becomes of the phones of a language, from ``phone_maps/``; empty where there is no table."""
    folder = resources.files("wavu.text") / "phone_maps"
    for name in (language, language.split("-")[0]):
        table = folder / f"{name}.tsv"
        if table.is_file():
            with table.open(encoding="utf-8") as file:
                return {row["espeak"]: row["phones"].split() for row in csv.DictReader(file, delimiter="\t")}
    return {}


def letters(word: str) -> list[str]:
    """The letters of a word as a reader counts them (Unicode grapheme clusters), without apostrophes.

    >>> letters("d'été")
    ['d', 'é', 't', 'é']
    """
    return regex.findall(r"\X", word.replace("'", ""))
