"""Interpolated modified Kneser-Ney n-grams in numpy: the numbers of KenLM's ``lmplz``, no compiler needed.

Estimation follows Chen and Goodman 1999 (discounts: Eq. 26) as lmplz carries it out
(Heafield et al. 2013): unigrams are interpolated with the uniform distribution over the vocabulary and ``<unk>``.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from wavu.errors import WavuError
from wavu.ragged import Ragged
from wavu.store import atomic

SPECIALS = ["<unk>", "<s>", "</s>"]
UNKNOWN, BEGIN, END = range(3)

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
        tokens, age = _framed(lines, rows)
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


def _framed(lines: Ragged, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All sentences between ``<s>`` and ``</s>`` in one array (T,), and how many tokens each place is behind its ``<s>`` (T,)."""
    starts = lines.offsets[:-1] + 2 * np.arange(len(lines))
    age = np.arange(len(lines.flat) + 2 * len(lines)) - np.repeat(starts, lines.lengths + 2)
    tokens = np.full(len(age), END, np.int64)
    tokens[age == 0] = BEGIN
    inside = age > 0
    inside[starts + lines.lengths + 1] = False
    tokens[inside] = known[lines.flat]
    return tokens, age


@dataclass(frozen=True, eq=False)
class _Counts:
    """The n-grams of one order: key, count, row of the n-gram without its first symbol, whether it begins with ``<s>``."""

    keys: np.ndarray
    counts: np.ndarray
    suffixes: np.ndarray
    begins: np.ndarray
    rows: np.ndarray  # (T,) the n-gram that ends at each token


def estimate(lines: Ragged, symbols: list[str], *, order: int) -> NGram:
    """An n-gram model of B sentences; symbols that do not occur are left out.

    lines: rows of indices into ``symbols``. order: length of the longest n-grams.
    """
    tokens, age, vocabulary = _numbered_by_first_use(lines, symbols)
    tables = _count(tokens, age, len(vocabulary), order)
    places = _last_places(tokens, age, order - 1)
    lower = np.full(1, 1.0 / (len(vocabulary) - 1))  # uniform: <unk> is one of them, <s> is never predicted
    probs, backoffs = [], []
    for n, table in enumerate(tables):
        counts = _adjusted(table, tables[n + 1]) if n + 1 < order else table.counts
        discounts = _discounts(_as_lmplz_sees(counts, table, places[n]) if n < len(places) else counts)
        taken = discounts[np.minimum(counts, 3)]
        context = table.keys // len(vocabulary)
        whole = np.bincount(context, counts, len(lower))
        left = np.divide(np.bincount(context, taken, len(lower)), whole, out=np.ones(len(lower)), where=whole > 0)
        # Interpolation, Heafield et al. 2013: the discounted share, plus the share left over times the shorter n-gram.
        lower = (counts - taken) / whole[context] + left[context] * lower[table.suffixes]
        if n == 0:
            lower[BEGIN] = 1.0
        probs.append(np.log10(lower))
        with np.errstate(divide="ignore"):  # where nothing was taken off, nothing is left to back off with
            backoffs.append(np.log10(left))
    return NGram(vocabulary, [table.keys for table in tables], probs, [*backoffs[1:], np.zeros(len(lower))])


def _numbered_by_first_use(lines: Ragged, symbols: list[str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Tokens (T,), ages (T,) and vocabulary, numbered as lmplz numbers them: in the order of first use."""
    used, first = np.unique(lines.flat, return_index=True)
    used = used[np.argsort(first)]
    known = np.zeros(len(symbols), np.int64)
    known[used] = np.arange(len(used)) + len(SPECIALS)
    return *_framed(lines, known), SPECIALS + [symbols[symbol] for symbol in used]


def _count(tokens: np.ndarray, age: np.ndarray, vocabulary: int, order: int) -> list[_Counts]:
    """All n-grams of the orders 1 to ``order``, each found as a pair (row of its first n - 1 tokens, last token)."""
    counts = np.bincount(tokens, minlength=vocabulary)
    counts[BEGIN] = 0  # never predicted
    single = np.arange(vocabulary)
    tables = [_Counts(single, counts, np.zeros(vocabulary, np.int64), single == BEGIN, tokens)]
    for n in range(1, order):
        shorter = tables[-1].rows
        places = np.flatnonzero(age >= n)
        pairs = shorter[places - 1] * vocabulary + tokens[places]
        keys, first, inverse, counts = np.unique(pairs, return_index=True, return_inverse=True, return_counts=True)
        rows = np.full(len(tokens), -1)
        rows[places] = inverse
        tables.append(_Counts(keys, counts, shorter[places[first]], age[places[first]] == n, rows))
    return tables


def _adjusted(table: _Counts, longer: _Counts) -> np.ndarray:
    """Kneser-Ney counts (K_n,): how many different tokens come before an n-gram; its plain count where none can."""
    return np.where(table.begins, table.counts, np.bincount(longer.suffixes, minlength=len(table.counts)))


def _last_places(tokens: np.ndarray, age: np.ndarray, order: int) -> list[int]:
    """A place where the last n-gram of each order 1..``order`` ends, n-grams sorted by last token, then the one before, ..."""
    places, found = np.flatnonzero(age > 0), []
    for back in range(order):
        column = tokens[places - back]
        places = places[column == column.max()]
        found.append(int(places[0]))
        if column.max() == BEGIN:
            break
    return found


def _as_lmplz_sees(counts: np.ndarray, table: _Counts, place: int) -> np.ndarray:
    """Adjusted counts (K_n,) as they enter lmplz's discounts, with the plain count of the last n-gram.

    At the end of its sorted stream ``AdjustCounts::Run`` hands the n-grams still open to its statistics with the count it
    keeps for pruning. With 40 phones that one count can move a discount by a third, so it is repeated here.
    """
    seen = counts.copy()
    seen[table.rows[place]] = table.counts[table.rows[place]]
    return seen


def _discounts(counts: np.ndarray) -> np.ndarray:
    """What is taken off counts of 0, 1, 2 and 3 or more (4,): Eq. 26, Chen and Goodman 1999."""
    n1, n2, n3, n4 = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].astype(float)
    if not n1 * n2 * n3:
        return FALLBACK
    share = n1 / (n1 + 2 * n2)
    taken = np.array([0.0, 1 - 2 * share * n2 / n1, 2 - 3 * share * n3 / n2, 3 - 4 * share * n4 / n3])
    return taken if (taken >= 0).all() else FALLBACK


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


def write_arpa(model: NGram, path: Path) -> None:
    """Write the model in the ARPA format, whole or not at all."""
    with atomic(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write("\\data\\\n")
        file.writelines(f"ngram {n}={len(keys)}\n" for n, keys in enumerate(model.keys, 1))
        prefixes = [""]
        for n, keys in enumerate(model.keys, 1):
            context, last = np.divmod(keys, len(model.symbols))
            words = [prefixes[row] + model.symbols[symbol] for row, symbol in zip(context.tolist(), last.tolist(), strict=True)]
            rows = zip(model.log10_probs[n - 1].tolist(), words, model.log10_backoffs[n - 1].tolist(), strict=True)
            file.write(f"\n\\{n}-grams:\n")
            longest = n == len(model.keys)
            file.writelines(f"{p:.8g}\t{gram}\n" if longest else f"{p:.8g}\t{gram}\t{b:.8g}\n" for p, gram, b in rows)
            prefixes = [f"{gram} " for gram in words]
        file.write("\n\\end\\\n")


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
