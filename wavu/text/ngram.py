"""Interpolated modified Kneser-Ney n-grams in numpy: the numbers of KenLM's ``lmplz``, no compiler needed.

Estimation follows Chen and Goodman 1999 (discounts: Eq. 26) as lmplz carries it out
(Heafield et al. 2013): unigrams are interpolated with the uniform distribution over the vocabulary and ``<unk>``.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from wavu.errors import WavuError
from wavu.ragged import Ragged
from wavu.store import atomic
from wavu.text.counts import BEGIN, SPECIALS, UNKNOWN, Table, Watch, count, framed, unwatched
from wavu.text.spool import PART, Spool, parts

Column = np.ndarray | Spool  # of which parts are read

# lmplz --discount_fallback: D1, D2 and D3+ for an order with too few n-grams to estimate them.
FALLBACK = np.array([0.0, 0.5, 1.0, 1.5])
# What KenLM gives to an unknown word when the file has no <unk>.
NO_UNKNOWN_LOG10 = -100.0


@dataclass(frozen=True, eq=False)
class NGram:
    """A back-off language model: one table per order n = 1..N, of K_n n-grams.

    symbols: V of them, the first three ``<unk>``, ``<s>``, ``</s>``; row v of the first table is symbol v.
    keys: sorted (K_n,) int64; an n-gram is ``row of its first n - 1 symbols in table n - 1`` * V + ``last symbol``.
    log10_probs, log10_backoffs: (K_n,) float64.
    """

    symbols: list[str]
    keys: list[np.ndarray]
    log10_probs: list[np.ndarray]
    log10_backoffs: list[np.ndarray]

    @cached_property
    def number(self) -> dict[str, int]:
        """The row of each symbol."""
        return {symbol: row for row, symbol in enumerate(self.symbols)}

    def score(self, lines: Ragged, symbols: list[str]) -> np.ndarray:
        """log10 of the probability of each of B sentences (B,), their end included.

        lines: rows of indices into ``symbols``; a symbol the model does not know counts as ``<unk>``.
        """
        return self.score_rows(lines, self.rows(symbols))

    def rows(self, symbols: list[str]) -> np.ndarray:
        """The row of each symbol; that of ``<unk>`` where the model does not know it."""
        return np.array([self.number.get(symbol, UNKNOWN) for symbol in symbols], np.int64)

    def score_rows(self, lines: Ragged, rows: np.ndarray) -> np.ndarray:
        """``score`` for callers that look up the ``rows`` of their symbols once and have few sentences at a time."""
        tokens, age = framed(lines, rows)
        rows, total = tokens, self.log10_probs[0][tokens]
        for n in range(1, len(self.keys)):
            if not len(self.keys[n]):
                break
            # A context that the model lacks has no longer n-grams either, and its back-off weight is 1.
            context = np.where(age >= n, np.roll(rows, 1), -1)
            rows = self.find(n, context, tokens)
            lower = total + np.where(context >= 0, self.log10_backoffs[n - 1][context], 0.0)
            total = np.where(rows >= 0, self.log10_probs[n][rows], lower)
        total[age == 0] = 0.0
        return np.add.reduceat(total, np.flatnonzero(age == 0)) if len(lines) else np.zeros(0)

    def perplexity(self, lines: Ragged, symbols: list[str]) -> float:
        """Perplexity per token of B sentences, each end of a sentence being one token."""
        return float(10 ** (-self.score(lines, symbols).sum() / (len(lines.flat) + len(lines))))

    def find(self, n: int, context: np.ndarray, last: np.ndarray) -> np.ndarray:
        """Rows in table n (counted from 0) of the n-grams ``context`` (rows of table n - 1) + ``last``; -1 where there is none."""
        keys, wanted = self.keys[n], context * len(self.symbols) + last
        rows = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where((context >= 0) & (keys[rows] == wanted), rows, -1)


@dataclass(frozen=True, eq=False)
class Estimate:
    """What an :class:`NGram` holds, as columns that may lie in files."""

    symbols: list[str]
    keys: list[Spool]
    log10_probs: list[Spool]
    log10_backoffs: list[Spool]

    def model(self) -> NGram:
        """The model, whose tables are memory-maps where the columns lie in files."""
        tables = (self.keys, self.log10_probs, self.log10_backoffs)
        return NGram(self.symbols, *([column.array() for column in columns] for columns in tables))


def estimate(lines: Ragged, symbols: list[str], *, order: int) -> NGram:
    """An n-gram model of B sentences; symbols that do not occur are left out.

    lines: rows of indices into ``symbols``. order: length of the longest n-grams.
    """
    return estimate_from([lines], symbols, order=order, folder=None, watch=unwatched).model()


def estimate_from(pieces: Iterable[Ragged], symbols: list[str], *, order: int, folder: Path | None, watch: Watch) -> Estimate:
    """``estimate`` for a text that comes piece by piece; the model is that of the whole text.

    pieces: sentences, some 200 bytes of memory needed for each symbol in one. folder: where what does not fit in memory lies
    meanwhile. watch: opens progress lines.
    """
    tables, vocabulary = count(pieces, symbols, order=order, folder=folder, watch=watch)
    seen = _last_rows(tables)
    lower = np.full(1, 1.0 / (len(vocabulary) - 1))  # uniform: <unk> is one of them, <s> is never predicted
    log10_probs, log10_backoffs = [], []
    with watch("estimating", sum(len(table.keys) for table in tables), "n-grams") as advance:
        for n, table in enumerate(tables):
            counts = _adjusted(table, tables[n + 1], folder) if n + 1 < order else table.counts
            discounts = _discounts(counts, table.counts, seen[n] if n < len(seen) else None)
            probs, left = _interpolated(table, counts, discounts, lower, len(vocabulary), folder, advance)
            if n == 0:
                probs.write(BEGIN, np.ones(1))
            log10_probs.append(_log10(probs, folder))
            log10_backoffs.append(_log10(left, folder))
            lower = probs.array()
    longest = Spool(np.float64, folder)
    longest.pad(len(tables[-1].keys), 0.0)
    return Estimate(vocabulary, [table.keys for table in tables], log10_probs, [*log10_backoffs[1:], longest])


def _adjusted(table: Table, longer: Table, folder: Path | None) -> np.ndarray:
    """Kneser-Ney counts (K_n,): how many different tokens come before an n-gram; its plain count where none can."""
    column = Spool(np.int64, folder)
    column.pad(len(table.keys), 0)
    counts = np.asarray(column.array())
    for part in parts(len(longer.suffixes)):
        np.add.at(counts, longer.suffixes[part], 1)
    counts[: table.begins] = table.counts[: table.begins]
    return counts


def _last_rows(tables: list[Table]) -> list[int]:
    """The row of the last n-gram of each order below the longest, n-grams sorted by last symbol, then the one before, ..."""
    rows = [len(tables[0].keys) - 1]
    for table in tables[1:-1]:
        for part in reversed(list(parts(len(table.suffixes)))):
            found = np.flatnonzero(table.suffixes[part] == rows[-1])
            if len(found):
                rows.append(part.start + int(found[-1]))
                break
        else:
            break
    return rows[: len(tables) - 1]


def _discounts(counts: Column, plain: Column, last: int | None) -> np.ndarray:
    """What is taken off counts of 0, 1, 2 and 3 or more (4,): Eq. 26, Chen and Goodman 1999.

    counts (K_n,): adjusted. The n-gram of the row ``last`` enters with its plain count: at the end of its sorted stream
    ``AdjustCounts::Run`` of lmplz hands the n-grams still open to its statistics with the count it keeps for pruning. With 40 phones
    that one count can move a discount by a third, so it is repeated here.
    """
    seen = np.zeros(6, np.int64)
    for part in parts(len(counts)):
        seen += np.bincount(np.minimum(counts[part], 5), minlength=6)
    if last is not None:
        seen[min(counts[last : last + 1][0], 5)] -= 1
        seen[min(plain[last : last + 1][0], 5)] += 1
    n1, n2, n3, n4 = seen[1:5].astype(float)
    if not n1 * n2 * n3:
        return FALLBACK
    share = n1 / (n1 + 2 * n2)
    taken = np.array([0.0, 1 - 2 * share * n2 / n1, 2 - 3 * share * n3 / n2, 3 - 4 * share * n4 / n3])
    return taken if (taken >= 0).all() else FALLBACK


def _interpolated(
    table: Table, counts: Column, discounts: np.ndarray, lower: np.ndarray, vocabulary: int, folder: Path | None,
    advance: Callable[..., None],
) -> tuple[Spool, Spool]:  # fmt: skip
    """Probability of each n-gram (K_n,), and the share of its probability that each context leaves to shorter ones (K_{n-1},).

    Interpolation, Heafield et al. 2013: the discounted share, plus the share left over times the shorter n-gram.
    """
    probs, left = Spool(np.float64, folder), Spool(np.float64, folder)
    for part in _whole_contexts(table.keys, vocabulary):
        context, number = table.keys[part] // vocabulary, counts[part]
        first, taken = int(context[0]), discounts[np.minimum(number, 3)]
        context -= first
        whole = np.bincount(context, number)
        share = np.divide(np.bincount(context, taken), whole, out=np.ones(len(whole)), where=whole > 0)
        probs.append((number - taken) / whole[context] + share[context] * lower[table.suffixes[part]])
        left.pad(first, 1.0)  # contexts that nothing follows
        left.append(share)
        advance(part.stop - part.start)
    left.pad(len(lower), 1.0)
    return probs, left


def _whole_contexts(keys: Spool, vocabulary: int) -> Iterator[slice]:
    """Parts of a table between which no context is cut, which has less than ``vocabulary`` rows."""
    start, size = 0, max(PART, vocabulary)
    while start < len(keys):
        context = keys[start : start + size + 1] // vocabulary
        stop = start + (int(np.searchsorted(context, context[-1])) if len(context) > size else len(context))
        yield slice(start, stop)
        start = stop


def _log10(column: Spool, folder: Path | None) -> Spool:
    logarithms = Spool(np.float64, folder)
    with np.errstate(divide="ignore"):  # where nothing was taken off, nothing is left to back off with
        for part in parts(len(column)):
            logarithms.append(np.log10(column[part]))
    return logarithms


def score(arpa: Path, lines: Ragged, symbols: list[str]) -> np.ndarray:
    """log10 of the probability of each of B sentences (B,) under an ARPA file: by KenLM where it is installed, else by :class:`NGram`.

    lines: rows of indices into ``symbols``; a symbol the model does not know counts as ``<unk>``.
    """
    try:
        import kenlm
    except ImportError:
        return read_arpa(arpa).score(lines, symbols)
    model = kenlm.Model(str(arpa))
    return np.array([model.score(" ".join(symbols[index] for index in line)) for line in lines])


def write_arpa(model: NGram | Estimate, path: Path, watch: Watch = unwatched) -> None:
    """Write the model in the ARPA format, whole or not at all."""
    sizes = [len(model.log10_probs[n]) for n in range(len(model.keys))]
    with atomic(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write("\\data\\\n")
        file.writelines(f"ngram {n}={size}\n" for n, size in enumerate(sizes, 1))
        with watch("writing", sum(sizes), "n-grams") as advance:
            for n, size in enumerate(sizes):
                file.write(f"\n\\{n + 1}-grams:\n")
                for part in parts(size):
                    probs, backoffs = model.log10_probs[n][part].tolist(), model.log10_backoffs[n][part].tolist()
                    rows, longest = zip(probs, _spelled(model, n, part), backoffs, strict=True), n + 1 == len(sizes)
                    file.writelines(f"{p:.8g}\t{gram}\n" if longest else f"{p:.8g}\t{gram}\t{b:.8g}\n" for p, gram, b in rows)
                    advance(part.stop - part.start)
        file.write("\n\\end\\\n")


def _spelled(model: NGram | Estimate, n: int, part: slice) -> list[str]:
    """Some n-grams of table n, counted from 0, in symbols. Their contexts lie together, as both tables are sorted."""
    context, last = np.divmod(model.keys[n][part], len(model.symbols))
    if n == 0:
        return [model.symbols[symbol] for symbol in last.tolist()]
    contexts = slice(int(context[0]), int(context[-1]) + 1)
    prefixes = [f"{gram} " for gram in _spelled(model, n - 1, contexts)]
    rows = zip((context - contexts.start).tolist(), last.tolist(), strict=True)
    return [prefixes[row] + model.symbols[symbol] for row, symbol in rows]


def read_arpa(path: Path) -> NGram:
    """Read an ARPA file of any toolkit.

    Raises:
        WavuError: the file is missing or is not a whole ARPA file.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return _tables(list(_sections(file)))
    except FileNotFoundError as error:
        raise WavuError(f"{path} is missing; check the path") from error
    except (ValueError, KeyError, IndexError) as error:
        raise WavuError(f"{path} is not a whole ARPA file ({error}); run the stage that writes it again") from error


def _sections(lines: Iterable[str]) -> Iterator[list[list[str]]]:
    """The split lines of each ``\\n-grams:`` section."""
    section: list[list[str]] | None = None
    for line in lines:
        if line.startswith("\\"):
            if section is not None:
                yield section
            section = [] if re.match(r"\\\d+-grams:", line) else None
            if line.startswith("\\end\\"):
                return
        elif section is not None and line.strip():
            section.append(line.split())
    raise ValueError("no \\end\\")


def _tables(sections: list[list[list[str]]]) -> NGram:
    """Sorted tables of the lines ``log10_prob words... [log10_backoff]``, whatever their order in the file."""
    singles = {fields[1]: fields for fields in sections[0]}
    absent = {"<unk>": [str(NO_UNKNOWN_LOG10), "<unk>"], "<s>": ["0", "<s>"]}
    sections = [list((absent | singles).values()), *sections[1:]]
    symbols = SPECIALS + [symbol for symbol in singles if symbol not in SPECIALS]
    model = NGram(symbols, [], [], [])
    for n, section in enumerate(sections):
        words = np.array([[model.number[word] for word in fields[1 : n + 2]] for fields in section], np.int64).reshape(-1, n + 1)
        context = np.zeros(len(words), np.int64)
        for shorter in range(n):
            context = model.find(shorter, context, words[:, shorter])
        if (context < 0).any():
            raise ValueError(f"{n + 1}-gram without its {n}-gram: {' '.join(section[int(context.argmin())][1 : n + 2])}")
        keys = context * len(symbols) + words[:, n]
        order = np.argsort(keys)
        model.keys.append(keys[order])
        model.log10_probs.append(np.array([float(fields[0]) for fields in section])[order])
        model.log10_backoffs.append(np.array([float(fields[n + 2]) if len(fields) > n + 2 else 0.0 for fields in section])[order])
    return model
