"""``wavu`` lists the commands, runs the one that is named, and guesses what was meant."""

import gc
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import wavu
from wavu import __main__ as door
from wavu import command


def typed(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["wavu", *words])
    door.main()


def test_every_command_is_listed_once_with_what_it_does(monkeypatch, capsys) -> None:
    there = {path.stem for path in (Path(wavu.__file__).parents[1] / "configs").glob("*.yaml")} - {"base"}
    assert sorted(door.commands()) == sorted(there)
    typed(monkeypatch)
    told = capsys.readouterr().out
    assert all(f"  {door.shown(name)} " in told for name in there) and "Whatever" not in told
    assert all(len(line.split(maxsplit=1)) == 2 for line in told.splitlines() if line.startswith("  "))


def test_a_command_is_run_under_its_name(monkeypatch, capsys) -> None:
    typed(monkeypatch, "prepare-text", "--help")
    assert "min_sentences" in capsys.readouterr().out
    typed(monkeypatch, "prepare_text", "--help")
    assert "min_sentences" in capsys.readouterr().out


def test_garbage_is_looked_for_again_once_a_command_is_imported() -> None:
    assert gc.isenabled() and door.opened("evaluate").__name__ == "wavu.evaluate" and gc.isenabled()
    with pytest.raises(ModuleNotFoundError):
        door.opened("nowhere")
    assert gc.isenabled()


def test_a_mistyped_command_is_refused_with_the_nearest(monkeypatch) -> None:
    with pytest.raises(SystemExit, match="did you mean 'transcribe'"):
        typed(monkeypatch, "transcibe", "a.wav")


def test_listing_imports_no_command() -> None:
    program = "import sys; sys.argv = ['wavu']; from wavu.__main__ import main; main(); assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True).returncode == 0


def test_the_version_is_told(monkeypatch, capsys) -> None:
    typed(monkeypatch, "--version")
    assert capsys.readouterr().out == f"wavu {wavu.__version__}\n"


@pytest.mark.parametrize("name", door.commands())
def test_help_is_what_the_command_says_itself(name: str) -> None:
    module = importlib.import_module(f"wavu.{name}")
    schema = inspect.getclosurevars(module.main).nonlocals["schema"]
    assert door.help_of(name) == command.help_text(name, schema, module.__doc__)


def test_help_of_no_command_waits_for_torch() -> None:
    program = (
        "import sys; from wavu.__main__ import commands, main\n"
        "for name in commands():\n    sys.argv = ['wavu', name, '--help']; main()\n"
        "assert not {'torch', 'transformers', 'sklearn', 'matplotlib', 'kaldifst'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Settings (give any") == len(door.commands())
