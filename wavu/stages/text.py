"""Sentences to words, phones, a lexicon and language models."""

import hashlib
import math
import os
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wavu.errors import WavuError
from wavu.prepared import Text
from wavu.progress import part, say, track
from wavu.ragged import Ragged
from wavu.settings.text import PrepareText
from wavu.stage import Stage
from wavu.store import write_table, write_text
from wavu.text import lexicon, phonemise
from wavu.text.ngram import Estimate, estimate_from, write_arpa
from wavu.text.sentences import occurrences, read_words
from wavu.text.silence import phones_of

MAKES = ("lexicon.tsv", "dropped.tsv", "phones.txt", *Ragged.files("lines"), "phones.arpa", "words.arpa")
HELD_OUT = 20  # one sentence in so many, to measure perplexity; the n-grams that are written know all sentences
SAMPLE = (
    2_000_000  # sentences that perplexity is measured with at most: with all of a large text it would cost what the n-grams do
)
BYTES_PER_SYMBOL = 200  # of memory to count the n-grams of a piece of text
MIN_WRITTEN_SHARE = 0.5  # of the words, in the script of the language; real text has some foreign names

Spell = Callable[[Ragged], Ragged]


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
    disk = next(folder for folder in (stage.out_dir, *stage.out_dir.resolve().parents) if folder.is_dir())
    lines, words = read_words(source, language, disk)
    counts_of_words = occurrences(lines, len(words))
    _check_words(lines, words, counts_of_words, settings)
    spelled, reasons = _pronounce(words, language, settings.units)
    text, kept_counts, rare = lexicon.build(lines, words, spelled, min_phone_share=settings.min_phone_share, disk=disk)
    reasons |= rare
    if len(text.lines) < settings.min_sentences:
        cause = Counter(reasons.values()).most_common(1)[0][0]
        raise WavuError(
            f"{source}: only {len(text.lines):,} of {len(lines):,} sentences have a word that can be used (most others: {cause}); is language={language} right?"
        )
    dropped = {word: count for word, count in zip(words, counts_of_words.tolist(), strict=True) if word in reasons}
    del lines, words, spelled
    with stage.run() as counts:
        _write(stage.out_dir, text, kept_counts)
        counts |= _size(text, kept_counts) | _write_dropped(stage.out_dir, reasons, dropped)
        counts |= _write_models(text, counts["phones_per_word"], disk, settings)
    say(_summary(counts, stage.out_dir))


def _write_models(text: Text, phones_per_word: float, disk: Path, settings: PrepareText) -> dict:
    """Write the n-grams of phones and of words; the perplexity of each."""
    counts, symbols_at_once = {}, settings.memory_gb * 1e9 / BYTES_PER_SYMBOL
    kinds: tuple[tuple[str, Spell, list[str], int, float], ...] = (
        ("phone", lambda lines: phones_of(replace(text, lines=lines)), text.phones, settings.phone_order, phones_per_word),
        ("word", lambda lines: lines, text.words, settings.word_order, 1.0),
    )
    for name, spell, symbols, order, per_word in kinds:
        counting = Counting(spell, symbols, order, max(1, int(symbols_at_once / per_word)), disk)
        with part(f"{name} n-grams:"):
            write_arpa(counting.estimate(text.lines), settings.out_dir / f"{name}s.arpa", track)
        with part(f"{name}s held out:"):
            counts[f"{name}_perplexity"] = round(held_out_perplexity(text.lines, counting), 2)
    return counts


@dataclass(frozen=True)
class Counting:
    """How n-grams of some length are counted.

    spell: from sentences of words to rows of indices into ``symbols``. words: that are spelled at once. disk: a folder for the rest.
    """

    spell: Spell
    symbols: list[str]
    order: int
    words: int
    disk: Path | None

    def estimate(self, lines: Ragged) -> Estimate:
        """The n-grams of the sentences."""
        with closing(self._pieces(lines)) as pieces:
            return estimate_from(pieces, self.symbols, order=self.order, folder=self.disk, watch=track)

    def _pieces(self, lines: Ragged) -> Generator[Ragged, None, None]:
        with track("counting", len(lines), "sentences") as advance:
            for piece in lines.pieces(self.words):
                yield self.spell(piece)
                advance(len(piece))


def held_out_perplexity(lines: Ragged, counting: Counting) -> float:
    """Perplexity of every twentieth sentence under an n-gram of the others: that of the text an n-gram learned from says little.

    Of a text of more than ``SAMPLE`` sentences some are taken, evenly. A symbol that only the held-out sentences have counts as <unk>.
    """
    rows = np.arange(0, len(lines), math.ceil(len(lines) / SAMPLE))
    every = min(HELD_OUT, len(rows))
    held = np.arange(len(rows)) % every == every - 1
    rest = rows[~held] if len(rows) > 1 else rows  # a lone sentence cannot be held out of itself
    return counting.estimate(lines.take(rest)).model().perplexity(counting.spell(lines.take(rows[held])), counting.symbols)


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


def _check_words(lines: Ragged, words: list[str], counts: np.ndarray, settings: PrepareText) -> None:
    """Refuse a text without words, in the wrong alphabet or too small.

    Raises:
        WavuError: with what was found and what is needed.
    """
    source, language = settings.text, settings.language
    if not words:
        raise WavuError(f"{source} {'holds no letters; give sentences, one per line' if source.stat().st_size else 'is empty'}")
    if language in phonemise.languages():
        scripts, share, stranger = written_share(counts, words, language)
        if share < MIN_WRITTEN_SHARE:
            raise WavuError(
                f"{source}: only {share:.0%} of the words are in {' or '.join(scripts)} letters, in which {language} is written "
                f"(not, for example, '{stranger}'); is this the text, and language={language} right?"
            )
    if len(lines) < settings.min_sentences:
        raise WavuError(
            f"{source} has {len(lines):,} sentence{'s' * (len(lines) > 1)}, at least {settings.min_sentences:,} are needed (one per line); give more text"
        )


def written_share(counts: np.ndarray, words: list[str], language: str) -> tuple[list[str], float, str]:
    """The scripts of a language, the share of the running words that are written in them, and a word that is not, if any is.

    counts (W,): how often each of the words occurs.
    """
    scripts = phonemise.scripts(language)
    written = np.array([phonemise.is_written_in(word, scripts) for word in words])
    return scripts, float(counts[written].sum() / counts.sum()), words[int(written.argmin())]


def _pronounce(words: list[str], language: str, units: str) -> tuple[list[list[str]], dict[str, str]]:
    """Phones of each word and the reason of each that has none; what espeak said is kept for the next run."""
    file = _cache_file(language)
    said = _remembered(file)
    before = len(said)
    with track("pronouncing", len(words), "words") as advance:
        spelled, reasons = phonemise.pronounce(words, language=language, units=units, said=said, advance=advance)
    if len(said) > before:
        try:
            write_table(file, ({"word": word, "phones": phones} for word, phones in said.items()), ["word", "phones"])
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
        with open(file, encoding="utf-8", newline="\n") as rows:
            if next(rows, "") != "word\tphones\n":
                return {}
            return dict(row.removesuffix("\n").split("\t") for row in rows)  # a dictionary takes pairs only
    except (ValueError, OSError):
        return {}


def _write(out_dir: Path, text: Text, occurrences: np.ndarray) -> None:
    spelled = (" ".join(text.phones[phone] for phone in row) for row in text.pronunciations)
    rows = (
        {"word": word, "phones": phones, "count": count}
        for word, phones, count in zip(text.words, spelled, occurrences.tolist(), strict=True)
    )
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


def _size(text: Text, occurrences: np.ndarray) -> dict:
    n_phones = int(text.pronunciations.lengths @ occurrences)
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
