"""Layers of an encoder side by side: a table for the terminal, and their scores as curves over depth."""

from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.table import Table
from rich.text import Text

# Of a row: its key, how a person would call it, and as many digits as tell two layers apart.
NUMBERS = (
    ("score", "score", "{:.3f}"),
    ("spread", "±", "{:.3f}"),
    ("known", "known", "{:.3f}"),
    ("order", "order", "{:.2f}"),
    ("matched", "matched", "{:.3f}"),
    ("lm_perplexity", "ppl", "{:.1f}"),
    ("phones_per_second", "phones/s", "{:.1f}"),
    ("runs_per_second", "runs/s", "{:.1f}"),
    ("perplexity", "units", "{:.0f}"),
    ("surprise", "surpr.", "{:.2f}"),
    ("log_likelihood", "ln p", "{:.2f}"),
)
SIZE = (9.0, 6.0)  # inches
DOTS_PER_INCH = 100


def layers_table(rows: Sequence[dict]) -> Table:
    """One line per layer in the order given, the best score marked; ``layer``, the keys of ``NUMBERS``, ``suspected_failed``."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for title in ("layer", *(title for _, title, _ in NUMBERS)):
        table.add_column(title, justify="right", no_wrap=True)
    best = max(row["score"] for row in rows)
    for row in rows:
        style = "bold" if row["score"] == best else "red" if row["suspected_failed"] else ""
        table.add_row(*(Text(cell) for cell in (row["layer"], *(form.format(row[key]) for key, _, form in NUMBERS))), style=style)
    return table


def scores_by_layer(rows: Sequence[dict]) -> np.ndarray:
    """A curve over the layers for each number, as a picture (H, W, 3) uint8; the first row, MFCC, as a dashed line."""
    baseline, *layers = rows
    figure = Figure(figsize=SIZE, dpi=DOTS_PER_INCH, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    shown = [
        number for number in NUMBERS if number[0] not in ("surprise", "log_likelihood", "lm_perplexity", "matched", "spread")
    ]
    for axes, (key, title, _) in zip(figure.subplots(2, len(shown) // 2, sharex=True).flat, shown, strict=True):
        spread = [row["spread"] if key == "score" else 0.0 for row in layers]
        axes.errorbar([int(row["layer"]) for row in layers], [row[key] for row in layers], spread, fmt="o-", markersize=4)
        axes.axhline(baseline[key], linestyle="--", color="gray", linewidth=1)
        axes.set_title(title, fontsize="medium")
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.supxlabel("layer; dashed: MFCC", fontsize="medium")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
