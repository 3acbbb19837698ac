"""Heat maps, for TensorBoard or a file: which phone of one labelling is which of another, which cluster is which phone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.image import imsave

from wavu.store import Ragged, atomic

CELL, MARGIN = 0.2, 0.7  # inches: one line of text; the longest symbol, <SIL>, and the title
NAMELESS, NARROWEST, WIDEST = 0.06, 6.0, 20.0  # inches: a column without a name, and what all of them together take
DOTS_PER_INCH = 100


def confusion(ours: Ragged, theirs: Ragged, *, phones: int) -> np.ndarray:
    """Share of the segments that are v to them and w to us (V, V); a row adds up to 1, or to 0 if they never say v.

    ours, theirs: phone ids (S) of the same segments. phones: V.
    """
    pairs = theirs.flat.astype(np.int64) * phones + ours.flat
    counts = np.bincount(pairs, minlength=phones * phones).reshape(phones, phones)
    return counts / np.maximum(1, counts.sum(axis=1, keepdims=True))


def heat_map(matrix: np.ndarray, rows: Sequence[str], columns: Sequence[str] | None, title: str) -> np.ndarray:
    """A matrix (R, C) of shares as a picture (H, W, 3) uint8, 0 black, 1 nearly white, with a name at each row and column.

    Columns that are too many to have names (None) are drawn thin. A name the font cannot write is replaced by its number.
    """
    across = len(columns) * CELL if columns is not None else min(max(matrix.shape[1] * NAMELESS, NARROWEST), WIDEST)
    height, width = len(rows) * CELL + 2 * MARGIN, across + 2 * MARGIN
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((MARGIN / width, MARGIN / height, 1 - 2 * MARGIN / width, 1 - 2 * MARGIN / height))
    # By the square root, or a confusion of one in twenty would look like none.
    axes.imshow(matrix, norm=PowerNorm(0.5, vmin=0, vmax=1), cmap="magma", aspect="auto")
    if columns is not None:
        axes.set_xticks(range(len(columns)), _writable(columns), rotation="vertical", fontsize="small")
    axes.set_yticks(range(len(rows)), _writable(rows), fontsize="small")
    axes.set_title(title, fontsize="medium", wrap=True)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write a picture (H, W, 3) uint8 as PNG, whole or not at all."""
    with atomic(path) as temporary:
        imsave(temporary, picture, format="png")


def _writable(names: Sequence[str]) -> list[str]:
    font = get_font(findfont(FontProperties()))
    return [name if all(map(font.get_char_index, map(ord, name))) else str(number) for number, name in enumerate(names)]
