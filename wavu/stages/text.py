"""Sentences to words, phones, a lexicon and language models."""

import gzip
import hashlib
import os
import zlib
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from wavu.errors import WavuError
from wavu.prepared import Text
from wavu.progress import say, track
from wavu.ragged import Ragged
from wavu.settings.text import PrepareText
from wavu.stage import Stage
from wavu.store import read_table, write_table, write_text
from wavu.text import lexicon, phonemise
from wavu.text.ngram import estimate, write_arpa
from wavu.text.normalise import words as words_of
from wavu.text.silence import phones_of

MAKES = ("lexicon.tsv", "dropped.tsv", "phones.txt", *Ragged.files("lines"), "phones.arpa", "words.arpa")
CHUNK_WORDS = 5_000
HELD_OUT = 20  # one sentence in so many, to measure perplexity; the n-grams that are written know all sentences
MIN_WRITTEN_SHARE = 0.5  # of the words, in the script of the language; real text has some foreign names


def prepare_text(settings: PrepareText) -> None:
    """Refuse what cannot work, then read, phonemise and count; write only when all of it is there."""
    source, language = settings.text, settings.language
    _check(settings)
    with open(source, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    stage = Stage(settings, command="prepare_text", inputs={"text": digest}, makes=MAKES)
    if stage.done():
        say(f"{stage.out_dir} is complete")
        return
    lines, words = read_words(source, language)
    _check_words(lines, words, settings)
    spelled, reasons = _pronounce(words, language, settings.units)
    text, occurrences, rare = lexicon.build(lines, words, spelled, min_phone_share=settings.min_phone_share)
    reasons |= rare
    if len(text.lines) < settings.min_sentences:
        cause = Counter(reasons.values()).most_common(1)[0][0]
        raise WavuError(
            f"{source}: only {len(text.lines):,} of {len(lines):,} sentences have a word that can be used (most others: {cause}); is language={language} right?"
        )
    with stage.run() as counts:
        _write(stage.out_dir, text, occurrences)
        counts |= _size(text) | _write_dropped(
            stage.out_dir, reasons, dict(zip(words, np.bincount(lines.flat).tolist(), strict=True))
        )
        kinds = (
            ("phone", phones_of(text), text.phones, settings.phone_order),
            ("word", text.lines, text.words, settings.word_order),
        )
        for name, rows, symbols, order in kinds:
            write_arpa(estimate(rows, symbols, order=order), stage.out_dir / f"{name}s.arpa")
            counts[f"{name}_perplexity"] = round(held_out_perplexity(rows, symbols, order=order), 2)
    say(_summary(counts, stage.out_dir))


def held_out_perplexity(rows: Ragged, symbols: list[str], *, order: int) -> float:
    """Perplexity of every twentieth sentence under an n-gram of the others: that of the text an n-gram learned from says little.

    A symbol that only the held-out sentences have counts as <unk>.
    """
    every = min(HELD_OUT, len(rows))
    held = np.arange(len(rows)) % every == every - 1
    rest = rows.take(np.flatnonzero(~held)) if len(rows) > 1 else rows  # a lone sentence cannot be held out of itself
    return estimate(rest, symbols, order=order).perplexity(rows.take(np.flatnonzero(held)), symbols)


def _check(settings: PrepareText) -> None:
    """Refuse what cannot work before anything is read.

    Raises:
        WavuError: no such file, or a language that espeak does not speak.
    """
    source = settings.text
    if not source.is_file():
        raise WavuError(
            f"{source} {'is a folder; give one file of sentences' if source.is_dir() else 'does not exist; check text='}"
        )
    if settings.units == "phone":
        phonemise.check_language(settings.language)


def read_words(source: Path, language: str) -> tuple[Ragged, list[str]]:
    """Sentences as int32 indices into the list of their different words; lines without a word are left out."""
    number: dict[str, int] = {}
    flat, ends = array("i"), array("q", [0])
    for line in _lines(source):
        flat.extend([number.setdefault(word, len(number)) for word in words_of(line, language)])
        if len(flat) > ends[-1]:
            ends.append(len(flat))
    return Ragged(np.array(flat, np.int32), np.array(ends, np.int64)), list(number)


def _lines(source: Path) -> Iterator[str]:
    """Lines of a plain or gzip file.

    Raises:
        WavuError: a byte that is not UTF-8, with its line; a damaged gzip file.
    """
    with open(source, "rb") as file, track("reading", source.stat().st_size / 1e6, "MB") as advance:
        read, is_gzip = 0, file.peek(2)[:2] == b"\x1f\x8b"
        try:
            for number, line in enumerate(gzip.open(file) if is_gzip else file, 1):
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
                if number % 1000 == 0:
                    before, read = read, file.tell()
                    advance((read - before) / 1e6)
        except UnicodeDecodeError as error:
            raise WavuError(
                f"{source} line {number}: byte 0x{line[error.start]:02x} is not UTF-8; save the file as UTF-8"
            ) from error
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise WavuError(f"{source} is a damaged gzip file ({error}); copy or make it again") from error


def _check_words(lines: Ragged, words: list[str], settings: PrepareText) -> None:
    """Refuse a text without words, in the wrong alphabet or too small.

    Raises:
        WavuError: with what was found and what is needed.
    """
    source, language = settings.text, settings.language
    if not words:
        raise WavuError(f"{source} {'holds no letters; give sentences, one per line' if source.stat().st_size else 'is empty'}")
    if language in phonemise.languages():
        scripts, share, stranger = written_share(lines.flat, words, language)
        if share < MIN_WRITTEN_SHARE:
            raise WavuError(
                f"{source}: only {share:.0%} of the words are in {' or '.join(scripts)} letters, in which {language} is written "
                f"(not, for example, '{stranger}'); is this the text, and language={language} right?"
            )
    if len(lines) < settings.min_sentences:
        raise WavuError(
            f"{source} has {len(lines):,} sentence{'s' * (len(lines) > 1)}, at least {settings.min_sentences:,} are needed (one per line); give more text"
        )


def written_share(tokens: np.ndarray, words: list[str], language: str) -> tuple[list[str], float, str]:
    """The scripts of a language, the share of tokens (rows of ``words``) that are written in them, and a word that is not, if any is."""
    scripts = phonemise.scripts(language)
    written = np.array([phonemise.is_written_in(word, scripts) for word in words])
    return scripts, float(written[tokens].mean()), words[int(written.argmin())]


def _pronounce(words: list[str], language: str, units: str) -> tuple[list[list[str]], dict[str, str]]:
    """Phones of each word and the reason of each that has none; what espeak said is kept for the next run."""
    file = _cache_file(language)
    said = _remembered(file)
    before, spelled, reasons = len(said), [], {}
    with track("pronouncing", len(words), "words") as advance:
        for start in range(0, len(words), CHUNK_WORDS):
            chunk = words[start : start + CHUNK_WORDS]
            found, missing = phonemise.pronounce(chunk, language=language, units=units, said=said)
            spelled += found
            reasons |= missing
            advance(len(chunk))
    if len(said) > before:
        try:
            write_table(file, [{"word": word, "phones": phones} for word, phones in said.items()], ["word", "phones"])
        except WavuError as error:
            say(f"warning: {error}; the next run will ask espeak again")
    return spelled, reasons


def _cache_file(language: str) -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get("WAVU_CACHE") or Path(home) / "wavu")
    return folder / f"espeak-{phonemise.version()}" / f"{language}.tsv"


def _remembered(file: Path) -> dict[str, str]:
    """What espeak said in earlier runs; nothing where the file is missing or unreadable."""
    try:
        return {row["word"]: row["phones"] or "" for row in read_table(file, ["word", "phones"])}
    except (WavuError, OSError):
        return {}


def _write(out_dir: Path, text: Text, occurrences: np.ndarray) -> None:
    spelled = (" ".join(text.phones[phone] for phone in row) for row in text.pronunciations)
    rows = [
        {"word": word, "phones": phones, "count": count}
        for word, phones, count in zip(text.words, spelled, occurrences.tolist(), strict=True)
    ]
    write_table(out_dir / "lexicon.tsv", rows, ["word", "phones", "count"])
    write_text(out_dir / "phones.txt", "".join(f"{phone}\n" for phone in text.phones))
    text.lines.write(out_dir, "lines")


def _write_dropped(out_dir: Path, reasons: dict[str, str], occurrences: dict[str, int]) -> dict:
    """List the dropped words, the most frequent first."""
    rows = [
        {"what": word, "reason": reasons[word], "count": occurrences[word]}
        for word in sorted(reasons, key=occurrences.get, reverse=True)
    ]
    write_table(out_dir / "dropped.tsv", rows, ["what", "reason", "count"])
    return {"dropped_types": len(rows), "dropped_words": sum(row["count"] for row in rows)}


def _size(text: Text) -> dict:
    n_phones = int(text.pronunciations.lengths[text.lines.flat].sum())
    return {
        "sentences": len(text.lines),
        "words": len(text.lines.flat),
        "types": len(text.words),
        "phones": n_phones,
        "inventory": len(text.phones) - 1,
        "phones_per_word": round(n_phones / len(text.lines.flat), 3),
        "phones_per_sentence": round(n_phones / len(text.lines), 3),
    }


def _summary(counts: dict, out_dir: Path) -> str:
    return (
        f"{counts['sentences']:,} sentences, {counts['words']:,} words ({counts['types']:,} different), {counts['phones']:,} phones "
        f"({counts['inventory']} different, {counts['phones_per_word']:.1f} per word); perplexity of sentences held out {counts['phone_perplexity']:.1f} per phone, "
        f"{counts['word_perplexity']:.0f} per word; {counts['dropped_words']:,} words dropped ({out_dir / 'dropped.tsv'})"
    )
