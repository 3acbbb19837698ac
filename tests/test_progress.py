import time

import pytest
from rich.console import Console
from rich.table import Table

from wavu import progress

ERASE_LINE = "\x1b[2K"


def test_say_prints_what_it_is_given_on_standard_error(capsys) -> None:
    progress.say("[bold]not markup[/bold] " + "x" * 300)
    out, err = capsys.readouterr()
    assert out == "" and err == "[bold]not markup[/bold] " + "x" * 300 + "\n"


@pytest.mark.parametrize("done", [0, 5])
def test_a_log_gets_a_line_now_and_then(done: int, monkeypatch, capsys) -> None:
    monkeypatch.setattr(progress, "LOG_EVERY_SECONDS", 0.0)
    with progress.track("reading", total=10, unit="files") as advance:
        advance(done, "a note")
    line = capsys.readouterr().err
    assert line.startswith(f"reading: {done}/10 files, ") and "ETA" in line and line.endswith("a note\n")


@pytest.fixture
def terminal(monkeypatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    console = Console(stderr=True, force_terminal=True, force_interactive=True, color_system=None, width=100, height=8)
    monkeypatch.setattr(progress, "console", console)


def table_of(n_rows: int) -> Table:
    table = Table("member", box=None)
    for row in range(n_rows):
        table.add_row(f"row {row}")
    return table


def test_a_terminal_gets_a_line_that_is_gone_in_the_end(terminal, capsys) -> None:
    with progress.track("reading", total=10, unit="files") as advance:
        advance(4, "a note")
    out, err = capsys.readouterr()
    assert out == "" and "4/10 files" in err and "a note" in err and err.endswith(ERASE_LINE)


def test_a_terminal_shows_the_table_below_the_line_as_far_as_there_is_room(terminal, monkeypatch, capsys) -> None:
    monkeypatch.setattr(progress, "TABLE_EVERY_SECONDS", 0.01)
    seen, deadline = "", time.monotonic() + 30
    with progress.track("training", total=10, unit="updates", table=lambda: table_of(30)) as advance:
        advance(4)
        while "row 0" not in seen and time.monotonic() < deadline:  # another thread draws it
            time.sleep(0.01)
            seen += capsys.readouterr().err
    out, rest = capsys.readouterr()
    seen += rest
    assert out == "" and seen.index("4/10 updates") < seen.index("member") < seen.index("row 0") < seen.index("...")
    assert "row 4" in seen and "row 5" not in seen  # eight lines: progress, title, five members, and a sign that there are more
    assert seen.endswith(ERASE_LINE)


@pytest.mark.parametrize(("seconds", "asked"), [(60.0, 1), (1e-9, 5)])
def test_a_table_is_not_asked_for_at_each_advance(seconds: float, asked: int, terminal, monkeypatch) -> None:
    monkeypatch.setattr(progress, "TABLE_EVERY_SECONDS", seconds)
    tables = []
    with progress.track("training", total=5, unit="updates", table=lambda: tables.append(table_of(1)) or tables[-1]) as advance:
        for _ in range(5):
            advance()
            time.sleep(1e-3)
    assert len(tables) == asked


def test_a_log_gets_no_table(monkeypatch, capsys) -> None:
    monkeypatch.setattr(progress, "LOG_EVERY_SECONDS", 0.0)
    with progress.track("training", total=2, unit="updates", table=lambda: pytest.fail("nobody could read it")) as advance:
        advance()
    assert capsys.readouterr().err.count("\n") == 1


def test_no_time_left_is_told_before_there_is_a_rate(terminal, capsys) -> None:
    with progress.track("tuning", total=10, unit="tried") as advance:
        time.sleep(0.15)
        advance(0)
    err = capsys.readouterr().err
    assert "ETA unknown" in err


def test_a_long_wait_makes_the_time_left_longer() -> None:
    assert progress._left(0, 10, 5.0) == progress._left(3, 10, 0.0) == "ETA unknown"
    assert progress._left(9, 10, 9.0) == "ETA 1 s" and progress._left(9, 10, 90.0) == "ETA 10 s"
