"""A file of sentences as rows of numbered words."""

import gzip
import zlib
from collections import defaultdict
from collections.abc import Generator
from contextlib import closing
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from wavu.errors import WavuError
from wavu.feed import in_processes
from wavu.progress import track
from wavu.ragged import Ragged
from wavu.text.normalise import words as words_of
from wavu.text.spool import PART, Spool

BLOCK = 1 << 22  # bytes of text that a process reads at once
BOM = b"\xef\xbb\xbf"


def read_words(source: Path, language: str, folder: Path | None = None) -> tuple[Ragged, list[str]]:
    """Sentences as int32 indices into the list of their different words; lines without a word are left out.

    source: a plain or gzip file. folder: where the indices lie, memory-mapped, while the process lives; without one, in memory.

    Raises:
        WavuError: a byte that is not UTF-8, with its line; a damaged gzip file.
    """
    number: defaultdict[str, int] = defaultdict()
    number.default_factory = number.__len__
    flat, lengths = Spool(np.int32, folder), [np.zeros(1, np.int64)]
    with closing(_blocks(source)) as blocks:
        for words, rows, each in in_processes(partial(_numbered, source=source, language=language), blocks):
            flat.append(np.fromiter(map(number.__getitem__, words), np.int32, len(words))[rows])
            lengths.append(each)
    return Ragged(flat.array(), np.cumsum(np.concatenate(lengths))), list(number)


def occurrences(lines: Ragged, n_words: int) -> np.ndarray:
    """How often each of W words occurs (W,)."""
    counts = np.zeros(n_words, np.int64)
    for piece in lines.pieces(PART):
        np.add.at(counts, piece.flat, 1)
    return counts


def _numbered(block: tuple[int, bytes], *, source: Path, language: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The different words of some lines, the lines as rows of indices into them in one array, and the length of each.

    block: the number of the first line, and the lines.
    """
    first, content = block
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = first + content.count(b"\n", 0, error.start)
        raise WavuError(
            f"{source} line {line}: byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8"
        ) from error
    number: defaultdict[str, int] = defaultdict()
    number.default_factory = number.__len__
    rows = [list(map(number.__getitem__, words)) for line in text.split("\n") if (words := words_of(line, language))]
    return list(number), np.fromiter(chain.from_iterable(rows), np.int32), np.array([len(row) for row in rows], np.int64)


def _blocks(source: Path) -> Generator[tuple[int, bytes], None, None]:
    """Whole lines of a plain or gzip file, some megabytes at once, each time with the number of the first."""
    with open(source, "rb") as file, track("reading", source.stat().st_size / 1e6, "MB") as advance:
        is_gzip, number, read = file.peek(2)[:2] == b"\x1f\x8b", 1, 0
        lines = gzip.open(file) if is_gzip else file
        try:
            while content := lines.read(BLOCK) + lines.readline():
                yield number, content.removeprefix(BOM) if number == 1 else content
                number += content.count(b"\n")
                before, read = read, file.tell()
                advance((read - before) / 1e6)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise WavuError(f"{source} is a damaged gzip file ({error}); copy or make it again") from error
