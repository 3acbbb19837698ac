import io
import math

import pytest
from rich.console import Console
from rich.text import Text

from wavu.pictures.members import members_table


def row(member: int, score: float, **others) -> dict:
    return {
        "update": 12_000,
        "member": member,
        "score": score,
        "lm_perplexity": 12.3456,
        "vocabulary_used": 0.951,
        "phones_per_second": 11.26,
        "suspected_failed": None,
        "seed": 40 + member,
        "settings": {"gradient_penalty": 1.5, "smoothness": 0.5},
    } | others


def shown(rows: list[dict], limit: int = 60, width: int = 200, color_system: str | None = None) -> list[str]:
    """The lines on a terminal."""
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=color_system, highlight=False)
    console.print(members_table(rows, limit=limit))
    return [line.rstrip() for line in console.file.getvalue().rstrip("\n").split("\n")]


def test_numbers_are_rounded_under_their_titles() -> None:
    title, line = shown([row(3, 2.04567)])
    assert title.split() == "member seed update score perplexity phones used phones/s verdict".split()
    assert line.split() == ["3", "43", "12,000", "2.046", "12.35", "95%", "11.3", "fine"]


def test_lowest_score_first_and_those_without_one_last() -> None:
    scores = [3.0, math.nan, 1.0, math.inf, math.nan, 2.0]
    lines = shown([row(member, score) for member, score in enumerate(scores)])
    assert [int(line.split()[0]) for line in lines[1:]] == [2, 5, 0, 3, 1, 4]


def test_only_settings_that_differ_are_shown() -> None:
    rows = [
        row(member, member, settings={"gradient_penalty": 1.5, "smoothness": value}) for member, value in enumerate((0.5, 0.75))
    ]
    title, first, second = shown(rows)
    assert "smoothness" in title and "penalty" not in title
    assert (first.split()[2], second.split()[2]) == ("0.5", "0.75")


def test_agreement_is_shown_where_it_is_known() -> None:
    title, first, second = shown([row(0, 1.0, agreement=0.666), row(1, 2.0)])
    assert "agreement" in title and "0.67 fine" in first
    assert second.split()[-2:] == ["11.3", "fine"]


@pytest.mark.parametrize("nothing", [None, ""])
def test_why_a_member_failed_is_red_and_the_rest_is_not(nothing: str | None) -> None:
    rows = [
        row(0, 1.0, suspected_failed=nothing),
        row(1, 2.0, suspected_failed=nothing, stopped=True),
        row(2, 3.0, suspected_failed="collapsed: 7 of [44] phones"),
        row(3, math.nan, suspected_failed="collapsed", stopped=True),
    ]
    _, *lines = shown(rows, color_system="standard")
    assert ["\x1b[31m" in line for line in lines] == [False, False, True, True]
    ends = ["fine", "stopped", "collapsed: 7 of [44] phones", "stopped: collapsed"]
    assert [Text.from_ansi(line).plain.split("11.3 ")[1].rstrip() for line in lines] == ends


def test_the_rest_is_counted() -> None:
    rows = [row(member, -member) for member in range(5)]
    lines = shown(rows, limit=2)
    assert [line.split()[0] for line in lines[1:3]] == ["4", "3"] and lines[3:] == ["and 3 more"]
    assert len(shown(rows, limit=5)) == 6


def test_a_member_takes_one_line_on_a_narrow_terminal() -> None:
    rows = [
        row(m, m, agreement=0.5, suspected_failed="long " * 30, settings={"gradient_penalty": m, "smoothness": m})
        for m in range(4)
    ]
    lines = shown(rows, width=80)
    assert [line.split()[0] for line in lines[-4:]] == ["0", "1", "2", "3"] and len(lines) == 6
    assert all("12,000 " in line and len(line) <= 80 for line in lines[-4:])


def test_no_member_no_line() -> None:
    assert len(shown([])) == 1
