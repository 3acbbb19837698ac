"""Layers as a table and as a picture."""

import io

import numpy as np
from rich.console import Console

from wavu.pictures.layers import NUMBERS, layers_table, scores_by_layer


def row(layer: str, score: float, failure: str = "") -> dict:
    return {"layer": layer, "suspected_failed": failure} | {key: 1.0 for key, *_ in NUMBERS} | {"score": score}


ROWS = [row("mfcc", 0.5), row("1", 0.7), row("2", 0.9, "collapsed"), row("3", 0.8)]


def printed(rows: list[dict], *, width: int, color: bool = False) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=color, color_system="standard" if color else None)
    console.print(layers_table(rows))
    return console.file.getvalue().splitlines()


def test_the_table_fits_80_columns_and_keeps_the_order() -> None:
    title, *lines = printed(ROWS, width=80)
    assert [line.split()[0] for line in lines] == ["mfcc", "1", "2", "3"] and "…" not in title
    assert [float(line.split()[1]) for line in lines] == [0.5, 0.7, 0.9, 0.8]


def test_the_best_and_the_failed_stand_out() -> None:
    _, mfcc, first, best, _ = printed(ROWS, width=80, color=True)
    assert "\x1b[1m" in best and "\x1b[" not in mfcc and "\x1b[" not in first
    assert "\x1b[31m" in printed([*ROWS, row("4", 0.1, "collapsed")], width=80, color=True)[-1]


def test_the_picture_changes_with_the_scores() -> None:
    picture = scores_by_layer(ROWS)
    assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.std() > 5
    assert (picture != scores_by_layer([*ROWS[:3], row("3", 0.1)])).any()
