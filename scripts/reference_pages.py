"""The documentation's page of each command, made from its docstring and its YAML, which ``--help`` shows too.

mkdocs loads this file as a hook (mkdocs.yml). The pages stand in the navigation under Reference, Commands.
"""

import ast
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from wavu import command

PACKAGE = Path(command.__file__).parent
SETTINGS = "\n\nSettings (give any as name=value):\n\n"


def commands() -> list[str]:
    """The names of all commands, in alphabetical order."""
    return sorted({path.stem for path in command.CONFIGS.glob("*.yaml")} - {"base"})


def page(name: str) -> str:
    """The Markdown page of a command: what it does, then its settings, then the default choice of each group."""
    docstring = ast.get_docstring(ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8"))) or ""
    about, _, rest = command.help_text(name, docstring).partition(SETTINGS)
    settings, *groups = rest.split("\n\nChoices of ")
    parts = [f"# {name}", about, "## Settings", "Each is given as `name=value`.", _yaml(settings)]
    for group in groups:
        title, _, chosen = group.partition("\n\n")
        parts += [f"## {title.partition(':')[0]}", f"Choices of {title}", _yaml(chosen)]
    return "\n\n".join(parts) + "\n"


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
