"""How often each n-gram occurs, counted piece by piece of a text: what all pieces hold need never be in memory at once.

Within a piece, n-grams of n symbols are found as pairs of (n-gram of n - 1 symbols, symbol). They come out sorted by their symbols, so
the pieces' tables, laid down in files, are merged like sorted runs, order after order.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from wavu.ragged import Ragged
from wavu.text.spool import Spool

SPECIALS = ["<unk>", "<s>", "</s>"]
UNKNOWN, BEGIN, END = range(3)

# Opens a progress line as wavu.progress.track does: what, how many, of which unit.
Watch = Callable[[str, float, str], AbstractContextManager[Callable[..., None]]]


def unwatched(what: str, total: float, unit: str) -> AbstractContextManager[Callable[..., None]]:
    """A progress line that nobody sees."""
    return nullcontext(lambda n=1, note="": None)


@dataclass(frozen=True, eq=False)
class Table:
    """The K n-grams of one order, sorted by key: ``row of the first n - 1 symbols in the table before`` * V + ``last symbol``.

    counts: how often each occurs. suffixes: row of the n-gram without its first symbol in the table before.
    begins: how many of them, the first ones, begin with ``<s>`` or a symbol numbered lower, which does not occur.
    """

    keys: Spool
    counts: Spool
    suffixes: Spool
    begins: int


@dataclass(eq=False)
class _Runs:
    """The tables of one order of all pieces, one behind the other: piece c has the rows bounds[c] to bounds[c + 1]."""

    keys: Spool
    counts: Spool
    suffixes: Spool
    bounds: list[int] = field(default_factory=lambda: [0])

    @classmethod
    def empty(cls, folder: Path | None) -> "_Runs":
        return cls(Spool(np.int64, folder), Spool(np.int64, folder), Spool(np.int64, folder))

    def add(self, keys: np.ndarray, counts: np.ndarray, suffixes: np.ndarray) -> None:
        self.keys.append(keys)
        self.counts.append(counts)
        self.suffixes.append(suffixes)
        self.bounds.append(len(self.keys))


def count(
    pieces: Iterable[Ragged], symbols: list[str], *, order: int, folder: Path | None, watch: Watch
) -> tuple[list[Table], list[str]]:
    """The n-grams of the orders 1 to ``order`` in all pieces, and the vocabulary, numbered as lmplz does: by first use.

    pieces: sentences as rows of indices into ``symbols``; each needs some 200 bytes of memory per symbol in it, and the largest sets
    how much is merged at once. folder: for what does not fit in memory.
    """
    number = np.full(len(symbols), -1, np.int64)
    vocabulary, sizes, most, single = list(SPECIALS), [], 0, np.zeros(0, np.int64)
    runs = [_Runs.empty(folder) for _ in range(1, order)]
    for piece in pieces:
        _number_by_first_use(piece, number, vocabulary, symbols)
        tokens, age = framed(piece, number)
        single = np.bincount(tokens, minlength=len(vocabulary)) + np.pad(single, (0, len(vocabulary) - len(single)))
        for run, table in zip(runs, _count(tokens, age, len(vocabulary), order), strict=True):
            run.add(*table)
        sizes.append(len(vocabulary))
        most = max(most, len(tokens))
    single[BEGIN] = 0  # never predicted
    return [_single(single, folder), *_merged(runs, sizes, most, folder, watch)], vocabulary


def _single(counts: np.ndarray, folder: Path | None) -> Table:
    """The table of order 1: row v is symbol v."""
    table = Table(Spool(np.int64, folder), Spool(np.int64, folder), Spool(np.int64, folder), begins=BEGIN + 1)
    table.keys.append(np.arange(len(counts)))
    table.counts.append(counts)
    table.suffixes.pad(len(counts), 0)
    return table


def framed(lines: Ragged, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All sentences between ``<s>`` and ``</s>`` in one array (T,), and how many tokens each place is behind its ``<s>`` (T,)."""
    starts = lines.offsets[:-1] + 2 * np.arange(len(lines))
    age = np.arange(len(lines.flat) + 2 * len(lines)) - np.repeat(starts, lines.lengths + 2)
    tokens = np.full(len(age), END, np.int64)
    tokens[age == 0] = BEGIN
    inside = age > 0
    inside[starts + lines.lengths + 1] = False
    tokens[inside] = known[lines.flat]
    return tokens, age


def _number_by_first_use(lines: Ragged, number: np.ndarray, vocabulary: list[str], symbols: list[str]) -> None:
    """Number the symbols that have had none so far."""
    used, first = np.unique(lines.flat[number[lines.flat] < 0], return_index=True)
    used = used[np.argsort(first)]
    number[used] = np.arange(len(used)) + len(vocabulary)
    vocabulary += [symbols[symbol] for symbol in used]


def _count(
    tokens: np.ndarray, age: np.ndarray, vocabulary: int, order: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Keys, counts and suffixes of the n-grams of each order from 2 in one piece."""
    rows, n_rows = tokens, vocabulary  # the n-gram that ends at each token
    for n in range(1, order):
        places = np.flatnonzero(age >= n)
        keys, counts, inverse, example = _distinct(rows[places - 1] * vocabulary + tokens[places], n_rows * vocabulary)
        yield keys, counts, rows[places[example]]
        rows, n_rows = np.full(len(tokens), -1), len(keys)
        rows[places] = inverse


def _distinct(values: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Different values (K,) sorted, their counts, the row of each of N values among them (N,), and a place of each (K,).

    Phones have so few pairs that a table of all that could be, ``limit`` of them, saves the sorting.
    """
    places = np.arange(len(values))
    if limit <= len(values):
        counts = np.bincount(values, minlength=limit)
        found = np.flatnonzero(counts)
        table = np.empty(limit, np.int64)
        table[values] = places
        example = table[found]
        table[found] = np.arange(len(found))
        return found, counts[found], table[values], example
    order = np.argsort(values)
    ordered = values[order]
    starts = np.flatnonzero(_changes(ordered))
    table = np.empty(len(values), np.int64)
    table[order] = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(values)))
    return ordered[starts], np.diff(starts, append=len(values)), table, order[starts]


def _changes(ordered: np.ndarray) -> np.ndarray:
    """Where a value differs from the one before (N,) bool."""
    changes = np.ones(len(ordered), bool)
    changes[1:] = ordered[1:] != ordered[:-1]
    return changes


def _merged(runs: list[_Runs], sizes: list[int], most: int, folder: Path | None, watch: Watch) -> Iterator[Table]:
    """One table per order from 2. sizes: of the vocabulary when each piece was counted, the last the whole. The runs are used up."""
    begins, rows, bounds = BEGIN + 1, None, [0]
    with watch("merging", sum(len(run.keys) for run in runs), "n-grams") as advance:
        while runs:
            run = runs.pop(0)
            keys, counts, suffixes = run.keys, run.counts, run.suffixes
            if len(sizes) > 1:
                _renumber(run, rows, bounds, sizes)
                (keys, counts, suffixes), rows = _merge(run, most, folder, advance)
                bounds = run.bounds
            begins = int(np.searchsorted(keys.array(), begins * sizes[-1]))
            yield Table(keys, counts, suffixes, begins)


def _renumber(run: _Runs, rows: Spool | None, bounds: list[int], sizes: list[int]) -> None:
    """Write the keys and suffixes of all pieces in the rows of the merged table of the order before, which keeps them sorted.

    rows, bounds: for each row of each piece's table of that order the row of the merged one, and where each piece begins; none
    for single symbols, whose numbers all pieces share.
    """
    for piece, size in enumerate(sizes):
        part = slice(run.bounds[piece], run.bounds[piece + 1])
        context, last = np.divmod(run.keys[part], size)
        if rows is not None:
            merged = rows[bounds[piece] : bounds[piece + 1]]
            context = merged[context]
            run.suffixes.write(part.start, merged[run.suffixes[part]])
        run.keys.write(part.start, context * sizes[-1] + last)


def _merge(run: _Runs, most: int, folder: Path | None, advance: Callable[..., None]) -> tuple[list[Spool], Spool]:
    """Keys, counts and suffixes of all pieces as one table, and the row in it of each row of the pieces."""
    merged, rows = [Spool(np.int64, folder) for _ in range(3)], Spool(np.int64, folder)
    for parts in _ranges(run, most):
        keys, counts, suffixes = (
            np.concatenate([column[part] for part in parts]) for column in (run.keys, run.counts, run.suffixes)
        )
        found, _, inverse, example = _distinct(keys, limit=len(keys) + 1)
        total = np.zeros(len(found), np.int64)
        np.add.at(total, inverse, counts)
        ends = np.cumsum([part.stop - part.start for part in parts])
        for part, own in zip(parts, np.split(inverse + len(merged[0]), ends[:-1]), strict=True):
            rows.write(part.start, own)
        for column, values in zip(merged, (found, total, suffixes[example]), strict=True):
            column.append(values)
        advance(len(keys))
    return merged, rows


def _ranges(run: _Runs, most: int) -> Iterator[list[slice]]:
    """Cut all pieces at the same keys, so that about ``most`` rows lie between two cuts: the part of each piece."""
    keys = run.keys.array()
    pieces = [keys[start:stop] for start, stop in zip(run.bounds[:-1], run.bounds[1:], strict=True)]
    stride = max(1, most // (4 * len(pieces)))
    sample = np.sort(np.concatenate([piece[::stride] for piece in pieces]))
    borders = np.unique(sample[:: max(1, most // stride)])[1:]
    starts = (
        np.array([[0, *np.searchsorted(piece, borders), len(piece)] for piece in pieces]) + np.array(run.bounds[:-1])[:, None]
    )
    for start, stop in zip(starts.T[:-1].tolist(), starts.T[1:].tolist(), strict=True):
        yield [slice(*ends) for ends in zip(start, stop, strict=True)]
