"""The command ``wavu``: ``wavu learn ...`` is ``python -m wavu.learn ...``, and ``wavu`` alone lists all commands.

``eval "$(wavu --completion)"`` in bash (in zsh after ``autoload -U bashcompinit && bashcompinit``) completes with Tab.
"""

import ast
import difflib
import importlib
import sys
from pathlib import Path

import wavu
from wavu.completion import SCRIPT, offered

GROUPS = {
    "path": ["learn", "check", "prepare_audio", "prepare_text", "decipher_segments", "gan_train", "self_train"],
    "use": ["transcribe", "serve", "report", "evaluate", "export"],
    "encoders": ["pretrain", "choose_layer", "codebook"],
    "comparison": ["phoneme_ctc", "zero_shot", "demo"],
}


def main() -> None:
    """Run the command that is named, list all, tell the version, or help the shell."""
    name, *rest = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        print(overview())
    elif name == "--version":
        print(f"wavu {wavu.__version__}")
    elif name == "--completion":
        print(SCRIPT, end="")
    elif name == "--complete":
        from wavu.command import CONFIGS  # here, as Hydra takes its time

        print("\n".join(offered(rest, [shown(module) for module in commands()], CONFIGS)))
    elif (module := name.replace("-", "_")) in commands():
        sys.argv = [f"wavu {name}", *rest]
        importlib.import_module(f"wavu.{module}").main()
    else:
        near = difflib.get_close_matches(name, map(shown, commands()), n=1)
        hint = f" (did you mean '{near[0]}'?)" if near else ""
        sys.exit(f"error: wavu has no command '{name}'{hint}; wavu alone lists all")


def commands() -> list[str]:
    """The modules of all commands."""
    return [name for names in GROUPS.values() for name in names]


def shown(module: str) -> str:
    """How a command is typed."""
    return module.replace("_", "-")


def overview() -> str:
    """All commands, each with the first line of its docstring; no command is imported, which would take seconds."""
    lines = ["usage: wavu COMMAND name=value ...     (wavu COMMAND --help shows its settings)"]
    for group, names in GROUPS.items():
        lines += ["", f"{group}:", *(f"  {shown(name):<18} {_first_line(name)}" for name in names)]
    return "\n".join(lines)


def _first_line(module: str) -> str:
    source = (Path(__file__).parent / f"{module}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").splitlines()[0]


if __name__ == "__main__":
    main()
