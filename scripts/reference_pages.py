"""The documentation's page of each command, made from its docstring and its YAML, which ``--help`` shows too.

mkdocs loads this file as a hook (mkdocs.yml). The pages stand in the navigation under Reference, Commands.
"""

import importlib
import io
import sys
from contextlib import redirect_stdout

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from wavu import command

SETTINGS = "\n\nSettings (give any as name=value):\n\n"
SELDOM = "\n\nSeldom changed:\n\n"


def commands() -> list[str]:
    """The names of all commands, in alphabetical order."""
    return sorted({path.stem for path in command.CONFIGS.glob("*.yaml")} - {"base"})


def page(name: str) -> str:
    """The Markdown page of a command: what it does, its settings, the default choice of each group, and what is seldom changed."""
    about, _, rest = help_of(name).partition(SETTINGS)
    rest, _, seldom = rest.partition(SELDOM)
    settings, *groups = rest.split("\n\nChoices of ")
    parts = [f"# {name}", about, "## Settings", "Each is given as `name=value`.", _yaml(settings)]
    for group in groups:
        title, _, chosen = group.partition("\n\n")
        parts += [f"## {title.partition(':')[0]}", f"Choices of {title}", _yaml(chosen)]
    if seldom:
        parts += ["## Seldom changed", "These are given in the same way.", f"```ini\n{seldom.strip()}\n```"]
    return "\n\n".join(parts) + "\n"


def help_of(name: str) -> str:
    """What ``python -m wavu.NAME --help`` prints."""
    typed, sys.argv = sys.argv, [name, "--help"]
    try:
        with redirect_stdout(io.StringIO()) as printed:
            importlib.import_module(f"wavu.{name}").main()
    finally:
        sys.argv = typed
    return printed.getvalue()


def _yaml(text: str) -> str:
    return f"```yaml\n{text.strip()}\n```"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages into the navigation."""
    (reference,) = (entry["Reference"] for entry in config.nav if "Reference" in entry)
    reference.insert(0, {"Commands": [{name: f"reference/{name}.md"} for name in commands()]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages to the site."""
    for name in commands():
        files.append(File.generated(config, f"reference/{name}.md", content=page(name)))
    return files
