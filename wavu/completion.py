"""What the shell offers when Tab is pressed after ``wavu``: commands, their settings, the choices of a group."""

from collections.abc import Iterator
from pathlib import Path

import yaml

SCRIPT = """\
_wavu() {
    local IFS=$'\\n'
    COMPREPLY=($(compgen -W "$(wavu --complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2> /dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2> /dev/null
    return 0
}
COMP_WORDBREAKS=${COMP_WORDBREAKS//=/}
complete -o default -F _wavu wavu
"""


def offered(words: list[str], commands: list[str], configs: Path) -> list[str]:
    """What may stand where the last of ``words`` stands, which may be its beginning; nothing where only the user can know.

    commands: as they are typed. configs: the folder of their YAMLs.
    """
    *before, last = words or [""]
    if not before:
        return commands
    if before[0] not in commands:
        return []
    path = configs / f"{before[0].replace('-', '_')}.yaml"
    group, equals, _ = last.partition("=")
    if equals:
        return [f"{group}={choice.stem}" for choice in sorted((configs / group).glob("*.yaml"))]
    given = {word.partition("=")[0] for word in before}
    return [f"{name}=" for name in _settings(path) if name not in given]


def _settings(path: Path) -> Iterator[str]:
    """Groups, then settings, as they stand in a YAML."""
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    for choice in settings.pop("defaults"):
        yield from choice if isinstance(choice, dict) else ()
    yield from _names(settings)


def _names(settings: dict, above: str = "") -> Iterator[str]:
    for name, value in settings.items():
        yield from _names(value, f"{above}{name}.") if isinstance(value, dict) else (f"{above}{name}",)
