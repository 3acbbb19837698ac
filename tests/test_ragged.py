from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavu.errors import WavuError
from wavu.ragged import Ragged
from wavu.store import write_array

ROWS = st.lists(st.lists(st.integers(-5, 5), max_size=6), max_size=8)


@settings(max_examples=50)
@given(ROWS)
def test_ragged_gives_its_rows_back(tmp_path_factory, rows: list[list[int]]) -> None:
    folder = tmp_path_factory.mktemp("ragged")
    Ragged.of([np.array(row) for row in rows], np.int16).write(folder, "x")
    back = Ragged.read(folder, "x")
    assert [row.tolist() for row in back] == rows
    assert back.lengths.tolist() == [len(row) for row in rows] and len(back) == len(rows)
    assert back.flat.dtype == np.int16


@settings(max_examples=50)
@given(ROWS, ROWS, st.data())
def test_joining_and_taking_are_what_lists_do(first: list, second: list, data) -> None:
    joined = Ragged.join([Ragged.of([np.array(row) for row in part], np.int32) for part in (first, second)])
    rows = first + second
    assert [row.tolist() for row in joined] == rows
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=10)) if rows else []
    assert [row.tolist() for row in joined.take(np.array(chosen, int))] == [rows[index] for index in chosen]


@settings(max_examples=50)
@given(st.lists(st.lists(st.integers(0, 2), max_size=6), max_size=8))
def test_runs_begin_where_a_value_differs_from_the_one_before_in_its_row(rows: list[list[int]]) -> None:
    ragged = Ragged.of([np.array(row) for row in rows], np.int16)
    begins = ragged.run_starts()
    assert begins.tolist() == [t == 0 or row[t] != row[t - 1] for row in rows for t in range(len(row))]
    assert [row.tolist() for row in ragged.keep(begins)] == [[value for value, _ in groupby(row)] for row in rows]


def test_rows_of_vectors_keep_their_dimension() -> None:
    ragged = Ragged.of([np.ones((2, 3)), np.zeros((0, 3)), np.ones((1, 3))], np.float16)
    assert ragged.flat.shape == (3, 3) and ragged[1].shape == (0, 3)


@settings(max_examples=50)
@given(ROWS, st.integers(1, 9), st.booleans())
def test_pieces_hold_every_row_once_and_few_values(tmp_path_factory, rows: list[list[int]], values: int, mapped: bool) -> None:
    ragged, folder = Ragged.of([np.array(row) for row in rows], np.int16), tmp_path_factory.mktemp("ragged")
    ragged.write(folder, "x")
    pieces = list((Ragged.read(folder, "x") if mapped else ragged).pieces(values))
    assert [row.tolist() for piece in pieces for row in piece] == rows
    assert all(len(piece) == 1 or len(piece.flat) <= values for piece in pieces)
    assert not any(isinstance(piece.flat, np.memmap) for piece in pieces)


@pytest.mark.parametrize(
    ("flat", "offsets", "below"),
    [
        ([0, 1, 2], [0, 2], None), ([0, 1, 2], [1, 3], None), ([0, 1, 2], [0, 2, 1, 3], None), ([0, 1, 2], [0.0, 3.0], None),
        ([0, 1, 2], [], None), ([0, 1, 2], [0, 3], 2), ([0, -1, 2], [0, 3], 3), ([0.0, 1.0], [0, 2], 2), ([0.0, np.nan], [0, 2], None),
        (["a"], [0, 1], None),
    ],
)  # fmt: skip
def test_rows_that_were_not_written_so_are_refused(flat: list, offsets: list, below: int | None, tmp_path: Path) -> None:
    write_array(tmp_path / "x.npy", np.array(flat))
    write_array(tmp_path / "x.offsets.npy", np.array(offsets))
    with pytest.raises(WavuError, match=r"x\.npy .*; one is damaged|x\.npy is damaged") as caught:
        Ragged.read(tmp_path, "x", below=below)
    assert "\n" not in str(caught.value)
