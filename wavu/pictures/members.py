"""GANs that train side by side as one table, the best on top."""

import math
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

# Of a row: its key, how a person would call it, and as many digits as tell two members apart.
NUMBERS = (
    ("update", "update", "{:,}"),
    ("score", "score", "{:.3f}"),
    ("lm_perplexity", "perplexity", "{:.2f}"),
    ("vocabulary_used", "phones used", "{:.0%}"),
    ("phones_per_second", "phones/s", "{:.1f}"),
    ("agreement", "agreement", "{:.2f}"),
)


def members_table(rows: Sequence[dict], *, limit: int) -> Table:
    """One line per member, lowest score first, those without one (NaN) last; ``limit`` lines at most.

    rows (M): what scores.tsv holds about each member now, and its ``seed``, its ``settings`` (name -> number) and, if it no
    longer trains, ``stopped``. Settings that are the same for all members and numbers that no row has get no column.
    """
    settings = _differing(rows)
    numbers = [number for number in NUMBERS if any(number[0] in row for row in rows)]
    more = f"and {len(rows) - limit} more" if len(rows) > limit else None
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), caption=more, caption_justify="left")
    for name in ("member", "seed", *settings, *(title for _, title, _ in numbers)):
        table.add_column(name.replace("_", " "), justify="right")
    table.add_column("verdict")
    for row in sorted(rows, key=lambda row: (math.isnan(row["score"]), row["score"]))[:limit]:
        chosen = [f"{row['settings'][name]:.4g}" for name in settings]
        measured = [form.format(row[key]) if key in row else "" for key, _, form in numbers]
        table.add_row(*map(_cell, (str(row["member"]), str(row["seed"]), *chosen, *measured)), _verdict(row))
    return table


def _differing(rows: Sequence[dict]) -> list[str]:
    """Names of the settings in which members differ."""
    names = rows[0]["settings"] if rows else {}
    return [name for name in names if len({row["settings"][name] for row in rows}) > 1]


def _verdict(row: dict) -> Text:
    failure = row["suspected_failed"]
    words = ["stopped"] * bool(row.get("stopped")) + [failure] * bool(failure)
    return _cell(": ".join(words) or "fine", style="red" if failure else "")


def _cell(words: str, style: str = "") -> Text:
    """In one line, whatever the width of the terminal; only titles may take two."""
    return Text(words, style=style, no_wrap=True, overflow="ellipsis")
