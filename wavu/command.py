"""The door of every command: Hydra settings, ``--help`` worth reading, one-line errors, mistyped names refused.

``python -m wavu.NAME key=value ...`` reads ``configs/NAME.yaml``. This file and the commands are all that know Hydra.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import hydra
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from wavu import hub
from wavu.errors import WavuError
from wavu.progress import say
from wavu.settings.base import Block, Loading, seldom_set
from wavu.settings.mistakes import checked, nearest

_PACKAGE = Path(__file__).resolve().parent
# In a wheel the settings lie inside the package, in a clone beside it.
CONFIGS = next(folder for folder in (_PACKAGE / "configs", _PACKAGE.parent / "configs") if folder.is_dir())

_SWEEP = ("-m", "--multirun")


def command(
    name: str,
    schema: type[Block],
    work: Callable[[Block], object],
    doc: str,
    *,
    files: bool = False,
    open_groups: tuple[str, ...] = (),
) -> Callable[[], None]:
    """The ``main`` of a command.

    name: of the YAML in ``configs/``. schema: what its settings are. work: gets them, checked. doc: the module docstring,
    shown by ``--help``. files: whether bare arguments are collected in the setting ``files``. open_groups: groups whose
    choice may also be a folder or a hub name, which then becomes ``GROUP=huggingface GROUP.model=CHOICE``.
    """

    def main() -> None:
        arguments = sys.argv[1:]
        if {"-h", "--help"} & set(arguments):
            print(help_text(name, schema, doc))
            return
        kind = {"files": files, "open_groups": open_groups}
        if set(_SWEEP) & set(arguments):
            with _told():
                sys.argv = [sys.argv[0], _SWEEP[0], *_overrides(name, arguments, sweep=True, **kind)]
            hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name=name)(task)()
        else:  # Hydra's own way to one run composes more than once, a quarter of a second
            with _told():
                settings = composed(name, schema, arguments, example=_example(doc), **kind)
            run(settings)

    def task(config: DictConfig) -> None:
        with _told():
            settings = _checked(name, schema, config)
        run(settings)

    def run(settings: Block) -> None:
        with _told(), hub.trusting(isinstance(settings, Loading) and settings.trust_pickle):
            work(settings)

    return main


@contextmanager
def _told() -> Iterator[None]:
    """Within the block, what stops the work is told in one line."""
    try:
        yield
    except WavuError as error:
        say(f"error: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        say("interrupted; run the same command again to go on")
        sys.exit(130)


def composed(
    name: str,
    schema: type[Block],
    given: list[str],
    *,
    files: bool = False,
    open_groups: tuple[str, ...] = (),
    example: str = "",
) -> Block:
    """The settings of a command, from what is typed after its name; also for one that does the work of several.

    example: a command line, shown where a setting is missing. files, open_groups: see :func:`command`.

    Raises:
        WavuError: a name is unknown, a value of another kind or out of its range, or a setting is missing; in the reader's terms.
    """
    overrides = _overrides(name, given, files=files, open_groups=open_groups)
    return _checked(name, schema, _composed(name, overrides, example or f"python -m wavu.{name} --help"))


def _composed(name: str, overrides: list[str], example: str) -> DictConfig:
    """What Hydra makes of a command's YAMLs and of what is given.

    Raises:
        WavuError: Hydra refuses it, or a setting is missing.
    """
    try:
        with _settings_folder():
            config = compose(config_name=name, overrides=overrides)
        missing = sorted(OmegaConf.missing_keys(config))
    except (HydraException, OmegaConfBaseException) as error:
        raise WavuError(" ".join(str(error).split())) from error
    if missing:
        raise WavuError(f"{', '.join(missing)} must be given, as in: {example}")
    return config


def _checked(name: str, schema: type[Block], config: DictConfig) -> Block:
    """What Hydra has composed, as its class."""
    try:
        values = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise WavuError(" ".join(str(error).split())) from error
    return checked(schema, {key: value for key, value in values.items() if key != "hydra"}, command=name)


@contextmanager
def _settings_folder() -> Iterator[None]:
    """Where ``compose`` looks. Hydra has one folder at a time, also while a command runs, which gets its own back."""
    running, outer = GlobalHydra.instance(), GlobalHydra.instance().hydra
    running.clear()
    try:
        with initialize_config_dir(config_dir=str(CONFIGS), version_base="1.3"):
            yield
    finally:
        running.hydra = outer


def help_text(name: str, schema: type[Block], doc: str) -> str:
    """The docstring, then every setting with its comment: those of the YAML, of each group those of its default, and the rest."""
    lines = (CONFIGS / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    chosen = [choice.groups() for line in lines if (choice := re.fullmatch(r"  - (\w+): (\w+)(?:\s+#.*)?", line))]
    own = lines[lines.index("  - _self_") + 1 :]
    parts = [doc.strip(), "", "Settings (give any as name=value):", "", *own]
    for group, choice in chosen:
        parts += ["", f"Choices of {group}: {', '.join(_choices(group))}. If none is given, {group}={choice}:", ""]
        first, *others = (CONFIGS / group / f"{choice}.yaml").read_text(encoding="utf-8").splitlines()
        # The settings of a group are named after it, unless its files say that they stand beside the command's own.
        parts += others if first == "# @package _global_" else [f"{group}:", *(f"  {line}" for line in (first, *others))]
    with _settings_folder():
        values = OmegaConf.to_container(compose(config_name=name))
    if rest := [f"{key}={_shown(value)}  # {what}" for key, value, what in seldom_set(schema, values)]:
        parts += ["", "Seldom changed:", "", *rest]
    return "\n".join(parts)


def _shown(value: object) -> str:
    """A value as it is typed."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _example(doc: str) -> str:
    """The first command line that a docstring shows."""
    return next((line.strip() for line in doc.splitlines() if line.startswith("    ")), "")


def _overrides(name: str, arguments: list[str], *, files: bool, open_groups: tuple[str, ...], sweep: bool = False) -> list[str]:
    """Arguments as Hydra wants them, flags left out; raises WavuError in the reader's terms for what Hydra would refuse."""
    flags = [argument for argument in arguments if argument.startswith("-") and argument != "-"]  # a lone dash is standard input
    for flag in flags:
        if flag not in _SWEEP:
            raise WavuError(f"'{flag}' is not an option; settings are given as name=value (see python -m wavu.{name} --help)")
    rest = [argument for argument in arguments if argument not in flags]
    bare = [argument for argument in rest if "=" not in argument or os.path.exists(argument)]
    overrides = [argument for argument in rest if argument not in bare]
    if bare and not files:
        raise WavuError(f"'{bare[0]}' is not a setting; write name=value (see python -m wavu.{name} --help)")
    overrides = [part for override in overrides for part in _choice(override, open_groups, sweep)]
    overrides = [_readable(override, sweep) for override in overrides]
    if bare:
        overrides.append("files=[" + ",".join(_quote(path) for path in bare) + "]")
    return [_settled(override) for override in overrides]


def _settled(override: str) -> str:
    """An override as Hydra takes it for a setting that stands in no YAML; whether there is one, its class knows."""
    key = override.partition("=")[0]
    return override if key in _groups() or not re.match(r"\w", key) or re.match(r"hydra[./]", key) else f"++{override}"


def _readable(override: str, sweep: bool) -> str:
    """An override whose value Hydra's grammar refuses (umlauts, brackets, a comma) or takes for a sweep, quoted: it is a path."""
    try:
        if sweep or not OverridesParser.create().parse_override(override).is_sweep_override():
            return override
    except HydraException:
        pass
    key, _, value = override.partition("=")
    return f"{key}={_quote(os.path.expanduser(value))}"


def _choice(override: str, open_groups: tuple[str, ...], sweep: bool) -> list[str]:
    """A choice of a group, refused where unknown; ``encoder=DIR`` as ``encoder=huggingface encoder.model=DIR``; all else unchanged."""
    group, _, value = override.partition("=")
    if sweep or group not in _groups() or value in _choices(group):
        return [override]
    if group in open_groups and (os.path.isdir(value) or value.count("/") == 1):
        return [f"{group}=huggingface", f"{group}.model={_quote(value)}"]
    other = ", or a model folder, or a Hugging Face name such as facebook/hubert-base-ls960" if group in open_groups else ""
    raise WavuError(f"unknown {group} '{value}'{nearest(value, _choices(group))}; known: {', '.join(_choices(group))}{other}")


def _groups() -> list[str]:
    return [folder.name for folder in CONFIGS.iterdir() if folder.is_dir()]


def _choices(group: str) -> list[str]:
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))


def _quote(value: str) -> str:
    """A value as Hydra's grammar reads it back unchanged."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
