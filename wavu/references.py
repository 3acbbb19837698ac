"""What is true of recordings, and what is held against it, from tables: the one door for references.

References have the columns id and phones, or id and text; text is phonemised exactly as a folder of prepare_text was. Commands
that score import this; nothing that trains, chooses or stops does.
"""

from collections.abc import Callable
from pathlib import Path

from wavu.errors import WavuError
from wavu.progress import say
from wavu.scoring.boundaries import Boundaries, Spans, boundaries
from wavu.scoring.pairs import Sequences
from wavu.stage import finished
from wavu.store import read_table
from wavu.text.normalise import words
from wavu.text.phonemise import pronounce

Sides = dict[str, Sequences]  # of "phones", "words" or both


def read_phones(path: Path) -> Sequences:
    """The columns id and phones of a TSV."""
    return _by_id(path, "phones", str.split)


def read_words(path: Path, text_dir: Path, *, column: str) -> Sequences:
    """A column of a TSV, such as words or text, as words, normalised as prepare_text did for ``text_dir``."""
    language = finished(text_dir, "prepare_text")["config"]["language"]
    return _by_id(path, column, lambda line: words(line, language))


def read_references(path: Path, text_dir: Path | None) -> Sequences:
    """Reference phones: the column phones where there is one, else the column text through the pronunciations of ``text_dir``.

    Raises:
        WavuError: neither column, or text without a folder of prepare_text.
    """
    rows = read_table(path, ["id"])
    columns = rows[0].keys() if rows else {"phones"}
    if "phones" in columns:
        return read_phones(path)
    if "text" not in columns:
        raise WavuError(f"{path} has neither a column phones nor a column text (found: {', '.join(columns)})")
    if text_dir is None:
        raise WavuError(
            f"{path} holds text, not phones; add text=FOLDER, the output of wavu.prepare_text whose phones the hypotheses use"
        )
    return _by_id(path, "text", _phonemiser(text_dir, [row["text"] for row in rows]))


def _phonemiser(text_dir: Path, sentences: list[str]) -> Callable[[str], list[str]]:
    """Turns a sentence into phones as prepare_text did: its lexicon first, and the same phonemiser for words it does not hold."""
    config = finished(text_dir, "prepare_text")["config"]
    language = config["language"]
    lexicon = {row["word"]: row["phones"].split() for row in read_table(text_dir / "lexicon.tsv", ["word", "phones"])}
    unknown = sorted({word for sentence in sentences for word in words(sentence, language)} - lexicon.keys())
    found, unsaid = pronounce(unknown, language=language, units=config["units"], said={})
    if unsaid:
        say(
            f"warning: {len(unsaid):,} different words of the references have no pronunciation and are left out, such as '{next(iter(unsaid))}'"
        )
    pronunciations = lexicon | dict(zip(unknown, found, strict=True))
    return lambda sentence: [phone for word in words(sentence, language) for phone in pronunciations[word]]


def _by_id(path: Path, column: str, convert: Callable[[str], list[str]]) -> Sequences:
    rows = read_table(path, ["id", column])
    table = {row["id"]: convert(row[column]) for row in rows}
    if not table:
        raise WavuError(f"{path} has a header and no row")
    if len(table) < len(rows):
        raise WavuError(f"{path} names an utterance twice; ids must be unique")
    return table


def read_times(path: Path) -> dict[str, Spans]:
    """When each phone was said: the columns id, start, end (seconds) and phone of a TSV.

    Raises:
        WavuError: a time is no number.
    """
    spans: dict[str, Spans] = {}
    for line, row in enumerate(read_table(path, ["id", "start", "end", "phone"]), start=2):
        try:
            spans.setdefault(row["id"], []).append((float(row["start"]), float(row["end"]), row["phone"]))
        except ValueError as error:
            raise WavuError(
                f"{path} line {line}: start and end must be seconds, got '{row['start']}' and '{row['end']}'"
            ) from error
    return spans


def read_boundaries(path: Path) -> Boundaries:
    """Boundaries between phones from a TSV of times, see :func:`~wavu.scoring.boundaries.boundaries`."""
    return {name: boundaries(spans) for name, spans in read_times(path).items()}


def read_hypotheses(path: Path, text_dir: Path | None) -> Sides:
    """What a system found: ``phones``, ``words`` or both, by the columns of a TSV; words need the folder that they are normalised as.

    Raises:
        WavuError: neither phones, nor words with that folder.
    """
    columns = _columns(path)
    if "words" in columns and text_dir is None:
        lacking = "add text=FOLDER, the output of wavu.prepare_text, by which both sides are normalised"
        if "phones" not in columns:
            raise WavuError(f"{path} holds words, not phones; {lacking}")
        say(f"the words of {path} are not scored; {lacking}")
    found = {"words": read_words(path, text_dir, column="words")} if "words" in columns and text_dir else {}
    return found if found and "phones" not in columns else {"phones": read_phones(path), **found}


def read_truth(path: Path, text_dir: Path | None, kinds: set[str]) -> Sides:
    """What is true, of the ``kinds`` that were found; words where there is a column text."""
    truth = {"phones": read_references(path, text_dir)} if "phones" in kinds else {}
    if "words" in kinds:
        if truth and "text" not in _columns(path):
            say(f"words are not scored; {path} has no column text")
        else:
            truth["words"] = read_words(path, text_dir, column="text")
    return truth


def _columns(path: Path) -> set[str]:
    return set().union(*read_table(path, ["id"])[:1])
