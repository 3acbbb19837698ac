import pytest

from wavu import progress


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
