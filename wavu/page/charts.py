"""Where the lines, points and ticks of a chart lie, in the units of an SVG."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator

WIDTH, HEIGHT = 440.0, 280.0
LEFT, RIGHT, TOP, BOTTOM = 60.0, 12.0, 10.0, 52.0
TICKS = 5  # about
MARGIN = 0.05  # of the range: free on both sides of a plane


@dataclass(frozen=True)
class Line:
    """Points (x, y) of a chart in its own units, joined or not; ``chosen`` is drawn above all others."""

    name: str
    points: list[tuple[float, float]]
    joined: bool = True
    chosen: bool = False

    @property
    def path(self) -> str:
        """As the attribute ``points`` of a polyline."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.points)


@dataclass(frozen=True)
class Chart:
    """xticks, yticks: place and what is written there. lines: the chosen one last."""

    title: str
    xlabel: str
    ylabel: str
    xticks: list[tuple[float, str]]
    yticks: list[tuple[float, str]]
    lines: list[Line]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM


def chart(title: str, xlabel: str, ylabel: str, lines: Sequence[Line], names: Sequence[str] = ()) -> Chart | None:
    """Lines in units of their own as a chart; None where there is no point.

    names: written at x = 0, 1, ... instead of numbers.
    """
    points = [point for line in lines for point in line.points]
    if not points:
        return None
    xs, ys = zip(*points, strict=True)
    across = _Scale([-0.5, len(names) - 0.5] if names else xs, LEFT, WIDTH - RIGHT)
    down = _Scale(ys, HEIGHT - BOTTOM, TOP)
    placed = [Line(line.name, [(across(x), down(y)) for x, y in line.points], line.joined, line.chosen) for line in lines]
    xticks = [(across(place), name) for place, name in enumerate(names)] or across.ticks()
    return Chart(title, xlabel, ylabel, xticks, down.ticks(), sorted(placed, key=lambda line: line.chosen))


class _Scale:
    """Numbers to places between ``first`` and ``last``."""

    def __init__(self, values: Sequence[float], first: float, last: float) -> None:
        low, high = min(values), max(values)
        free = (high - low) * MARGIN or abs(high) * MARGIN or 1.0
        self.low, self.high, self.first, self.last = low - free, high + free, first, last

    def __call__(self, value: float) -> float:
        return self.first + (value - self.low) / (self.high - self.low) * (self.last - self.first)

    def ticks(self) -> list[tuple[float, str]]:
        values = MaxNLocator(TICKS).tick_values(self.low, self.high).tolist()
        return [
            (self(value), f"{value:.6g}".replace("-", "\N{MINUS SIGN}")) for value in values if self.low <= value <= self.high
        ]


def learning(rows: Sequence[dict], best: int | None) -> Chart | None:
    """Score of each member of gan_train over its updates; ``best`` is the number of the kept one."""
    lines = [
        Line(f"member {member}", [(row["update"], row["score"]) for row in rows if row["member"] == member and "score" in row],
             chosen=member == best)
        for member in sorted({int(row["member"]) for row in rows})
    ]  # fmt: skip
    return chart("Learning curves of the members", "update", "score (lower is better)", lines)


def selection(rows: Sequence[dict], best: tuple[int, int] | None) -> Chart | None:
    """Every look at every member by two of its label-free measures; ``best``: member and update of the kept one."""
    x, y = "weighted_lm_perplexity", next((name for name in ("log_likelihood", "jsd") if any(name in row for row in rows)), "jsd")
    seen = [row for row in rows if x in row and y in row]
    kept = [row for row in seen if (row["member"], row["update"]) == best]
    lines = [
        Line(name, [(row[x], row[y]) for row in some], joined=False, chosen=some is kept)
        for name, some in (("members, at every look", seen), ("kept", kept))
    ]
    label = {"log_likelihood": "log likelihood (higher is better)", "jsd": "n-gram divergence (lower is better)"}[y]
    return chart("Selection of the members", "perplexity (lower is better)", label, lines)


def evidence(turns: dict[str, float]) -> Chart | None:
    """What each turn of self_train was kept or left by."""
    points = [(float(place), value) for place, value in enumerate(turns.values())]
    line = [Line("evidence", points, chosen=True)] if len(points) > 1 else []
    return chart("Turns of self-training", "turn", "evidence (higher is better)", line, list(turns))
