"""Error rates and confusions as tables, without frames, for terminals of 80 columns."""

from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text


def rates_table(rates: Mapping[str, Mapping], *, level: float) -> Table:
    """One line per rate. rates: its name -> rate, low, high, insertions, deletions, substitutions, true and length_ratio."""
    table = _table("", "rate", f"{level:.0%} interval", "inserted", "deleted", "substituted", "of", "length")
    for name, row in rates.items():
        operations = (f"{row[key]:,}" for key in ("insertions", "deletions", "substitutions", "true"))
        table.add_row(name, f"{row['rate']:.4f}", _between(row, ".4f"), *operations, f"{row['length_ratio']:.3f}")
    return table


def comparison_table(comparisons: Mapping[str, Mapping], *, level: float) -> Table:
    """One line per rate: name -> rate, baseline, difference, low, high and better."""
    table = _table("", "rate", "baseline", "difference", f"{level:.0%} interval", "better in")
    for name, row in comparisons.items():
        share = f"{row['better']:.1%} of resamples"
        table.add_row(
            name, f"{row['rate']:.4f}", f"{row['baseline']:.4f}", f"{row['difference']:+.4f}", _between(row, "+.4f"), share
        )
    return table


def worst_table(pairs: Sequence[Mapping], *, nothing: str) -> Table:
    """One line per confusion: true, found, count and share; ``nothing`` on one side is an insertion or a deletion."""
    table = _table("true", "found", "times", "of the true")
    for pair in pairs:
        inserted, deleted = pair["true"] == nothing, pair["found"] == nothing
        share = "" if inserted else f"{pair['share']:.1%}"
        true, found = "inserted" if inserted else pair["true"], "deleted" if deleted else pair["found"]
        table.add_row(Text(true), Text(found), f"{pair['count']:,}", share)  # a phone is no markup
    return table


def _between(row: Mapping, form: str) -> str:
    return f"{row['low']:{form}} to {row['high']:{form}}"


def _table(first: str, *titles: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(first)
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    return table
