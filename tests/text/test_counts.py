from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavu.ragged import Ragged
from wavu.text import counts, ngram, spool
from wavu.text.counts import count, unwatched
from wavu.text.ngram import estimate, estimate_from, write_arpa

SYMBOLS = list("abcde")
TEXT = st.lists(st.lists(st.lists(st.integers(0, 4), max_size=8), max_size=8), min_size=1, max_size=6)


def spelled(tables: list[counts.Table], vocabulary: list[str]) -> list[dict[tuple, int]]:
    """The counts of each order by n-gram."""
    found, shorter = [], [()]
    for table in tables:
        context, last = np.divmod(table.keys[:], len(vocabulary))
        grams = [(*shorter[row], vocabulary[symbol]) for row, symbol in zip(context, last, strict=True)]
        for gram, suffix in zip(grams, table.suffixes[:], strict=True):
            assert not found or list(found[-1])[suffix] == gram[1:]
        found.append(dict(zip(grams, table.counts[:].tolist(), strict=True)))
        shorter = grams
    return found


@settings(max_examples=60, deadline=None)
@given(TEXT, st.integers(1, 4))
def test_equals_the_plain_count(tmp_path_factory, pieces, order):
    ragged = [Ragged.of([np.array(row, int) for row in piece], np.int32) for piece in pieces]
    tables, vocabulary = count(ragged, SYMBOLS, order=order, folder=tmp_path_factory.mktemp("disk"), watch=unwatched)
    lines = [["<s>", *(SYMBOLS[symbol] for symbol in row), "</s>"] for piece in pieces for row in piece]
    used = [symbol for line in lines for symbol in line[1:-1]]
    assert vocabulary == ["<unk>", "<s>", "</s>", *dict.fromkeys(used)]
    for n, found in enumerate(spelled(tables, vocabulary), 1):
        plain = Counter(tuple(line[at : at + n]) for line in lines for at in range(len(line) - n + 1))
        plain[("<s>",)] = plain[("<unk>",)] = 0
        assert {gram: number for gram, number in found.items() if number or n > 1} == {
            gram: number for gram, number in plain.items() if number
        }
        assert list(found) == sorted(found, key=lambda gram: [vocabulary.index(symbol) for symbol in gram])
        assert n == 1 or tables[n - 1].begins == sum(gram[0] == "<s>" for gram in found)


@settings(max_examples=60, deadline=None)
@given(TEXT, st.integers(1, 5), st.integers(1, 20))
def test_a_text_in_pieces_has_the_model_of_the_whole(tmp_path_factory, pieces, order, part):
    """To the last bit: in pieces, from files, a few rows at a time, and written so."""
    folder = tmp_path_factory.mktemp("disk")
    ragged = [Ragged.of([np.array(row, int) for row in [*piece, [0]]], np.int32) for piece in pieces]
    whole = estimate(Ragged.join(ragged), SYMBOLS, order=order)
    write_arpa(whole, folder / "whole.arpa")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "PART", part)
        patch.setattr(ngram, "PART", part)
        found = estimate_from(ragged, SYMBOLS, order=order, folder=folder, watch=unwatched)
        write_arpa(found, folder / "pieces.arpa")
    model = found.model()
    assert model.symbols == whole.symbols
    for name in ("keys", "log10_probs", "log10_backoffs"):
        assert all(map(np.array_equal, getattr(model, name), getattr(whole, name)))
    assert (folder / "pieces.arpa").read_bytes() == (folder / "whole.arpa").read_bytes()


def test_few_and_many_possible_values_are_counted_alike():
    values = np.random.default_rng(0).integers(0, 50, 300)
    tabled, ordered = counts._distinct(values, 50), counts._distinct(values, 10**9)
    for found in (tabled, ordered):
        keys, numbers, rows, examples = found
        assert (keys[rows] == values).all() and (values[examples] == keys).all()
    assert all(map(np.array_equal, tabled[:3], ordered[:3]))


def test_what_is_merged_at_once_is_bounded(monkeypatch):
    """Of 40 pieces with other n-grams each, no more is in one hand than about what one piece holds."""
    sizes, distinct = [], counts._distinct
    monkeypatch.setattr(counts, "_distinct", lambda values, limit: sizes.append(len(values)) or distinct(values, limit))
    chance = np.random.default_rng(0)
    pieces = [Ragged.of([chance.integers(0, 5_000, 20) for _ in range(50)], np.int32) for _ in range(40)]
    count(pieces, [f"w{number}" for number in range(5_000)], order=3, folder=None, watch=unwatched)
    assert max(sizes) < 2 * 50 * 22
