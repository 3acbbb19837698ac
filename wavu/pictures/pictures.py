"""Pictures, for TensorBoard or a file: heat maps (which phone of one labelling is which of another, which cluster is which phone) and
points with names.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.image import imsave
from matplotlib.transforms import Bbox

from wavu.ragged import Ragged
from wavu.store import atomic

CELL, MARGIN = 0.2, 0.7  # inches: one line of text; the longest symbol, <SIL>, and the title
NAMELESS, NARROWEST, WIDEST = 0.06, 6.0, 14.0  # inches: a column without a name, and what all of them together take
DOTS_PER_INCH = 100
SHARES = (0, 0.05, 0.2, 0.5, 1)  # named beside the colours
SQUARE = 7.0  # inches: width and height of a plane with points
DOT = 5.0  # pixels around the middle of a point that its name leaves free
GAP = 5.0  # points between a point and its name
# Where a name may stand beside its point, the best place first: how it is aligned there, and in which direction it is moved.
SIDES = {
    ("left", "center"): (1, 0), ("right", "center"): (-1, 0), ("center", "bottom"): (0, 1), ("center", "top"): (0, -1),
    ("left", "bottom"): (1, 1), ("right", "top"): (-1, -1), ("right", "bottom"): (-1, 1), ("left", "top"): (1, -1),
}  # fmt: skip


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
    image = axes.imshow(matrix, norm=PowerNorm(0.5, vmin=0, vmax=1), cmap="magma", aspect="auto", interpolation="nearest")
    scale = figure.add_axes((1 - 0.85 * MARGIN / width, MARGIN / height, 0.2 * MARGIN / width, 1 - 2 * MARGIN / height))
    figure.colorbar(image, cax=scale, ticks=SHARES, format="%g").ax.tick_params(labelsize="x-small", length=2)
    axes.set_xticks([])
    if columns is not None:
        axes.set_xticks(range(len(columns)), _writable(columns), rotation="vertical", fontsize="small")
    axes.set_yticks(range(len(rows)), _writable(rows), fontsize="small")
    axes.set_title(title, fontsize="medium", wrap=True)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def scatter(
    points: np.ndarray, names: Sequence[str], axes: Sequence[str], title: str, kinds: Sequence[str] | None = None
) -> np.ndarray:
    """Points (P, 2) as a picture (H, W, 3) uint8, with a name beside each and one at each of the two axes, whose scales are equal.

    kinds: what each point is one of (P), such as the language of a speaker; points of one kind have one colour.
    """
    number = {kind: f"C{place % 10}" for place, kind in enumerate(dict.fromkeys(kinds or names[:0]))}
    colours = [number[kind] for kind in kinds] if kinds else "C0"
    figure = Figure(figsize=(SQUARE, SQUARE), dpi=DOTS_PER_INCH, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    plane = figure.add_subplot(aspect="equal", adjustable="datalim", xlabel=axes[0], ylabel=axes[1])
    plane.set_title(title, fontsize="medium", wrap=True)
    plane.margins(0.15)
    plane.axhline(0, color="0.85", linewidth=0.8, zorder=0)
    plane.axvline(0, color="0.85", linewidth=0.8, zorder=0)
    plane.scatter(points[:, 0], points[:, 1], s=36, color=colours)
    canvas.draw()  # now it is known where everything lies
    taken = [Bbox.from_bounds(x - DOT, y - DOT, 2 * DOT, 2 * DOT) for x, y in plane.transData.transform(points)]
    for point, name in zip(points, _writable(names), strict=True):
        taken.append(_beside(plane, point, name, taken))
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _beside(plane: Axes, point: np.ndarray, name: str, taken: list[Bbox]) -> Bbox:
    """Write a name on that side of its point where it covers least of what is ``taken`` or outside; what it takes itself."""
    text = plane.annotate(name, tuple(point), (0, 0), fontsize="small", textcoords="offset points", in_layout=False)

    def stand(side: tuple[str, str]) -> Bbox:
        text.set(ha=side[0], va=side[1], position=GAP * np.array(SIDES[side]))
        return text.get_window_extent()

    def covered(side: tuple[str, str]) -> float:
        box = stand(side)
        shared = [area(both) for other in taken if (both := Bbox.intersection(box, other))]
        inside = Bbox.intersection(box, plane.bbox)
        return sum(shared) + area(box) - (area(inside) if inside else 0.0)

    def area(box: Bbox) -> float:
        return box.width * box.height

    return stand(min(SIDES, key=covered))


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write a picture (H, W, 3) uint8 as PNG, whole or not at all."""
    with atomic(path) as temporary:
        imsave(temporary, picture, format="png")


def _writable(names: Sequence[str]) -> list[str]:
    font = get_font(findfont(FontProperties()))
    return [name if all(map(font.get_char_index, map(ord, name))) else str(number) for number, name in enumerate(names)]
