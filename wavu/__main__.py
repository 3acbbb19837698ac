"""The command ``wavu``: ``wavu learn ...`` is ``python -m wavu.learn ...``, and ``wavu`` alone lists all commands.

``eval "$(wavu --completion)"`` in bash (in zsh after ``autoload -U bashcompinit && bashcompinit``) completes with Tab.
"""

import ast
import difflib
import gc
import importlib
import sys
from pathlib import Path
from types import ModuleType

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
        if {"-h", "--help"} & set(rest):
            print(help_of(module))
            return
        sys.argv = [f"wavu {name}", *rest]
        opened(module).main()
    else:
        near = difflib.get_close_matches(name, map(shown, commands()), n=1)
        hint = f" (did you mean '{near[0]}'?)" if near else ""
        sys.exit(f"error: wavu has no command '{name}'{hint}; wavu alone lists all")


def opened(module: str) -> ModuleType:
    """The module of a command, imported without looking for garbage: what it makes is there to stay, and to look takes a tenth of the start."""
    gc.disable()
    try:
        return importlib.import_module(f"wavu.{module}")
    finally:
        gc.enable()


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


def help_of(module: str) -> str:
    """What the command says to ``--help``, read from its source: to import it takes seconds, as torch is behind it."""
    from wavu.command import help_text  # here, as Hydra takes its time

    tree = _source(module)
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    schema = next(ast.unparse(call.args[1]) for call in calls if ast.unparse(call.func) == "command")
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    home = next(str(node.module) for node in imports if schema in [alias.name for alias in node.names])
    return help_text(module, getattr(importlib.import_module(home), schema), ast.get_docstring(tree) or "")


def _first_line(module: str) -> str:
    return (ast.get_docstring(_source(module)) or "").splitlines()[0]


def _source(module: str) -> ast.Module:
    return ast.parse((Path(__file__).parent / f"{module}.py").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
