"""The shape of the code: imports point down, references have one door, every number has one home, what is shown runs."""

import ast
import importlib
import inspect
import io
import re
import shlex
import tokenize
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from hydra import compose
from omegaconf import OmegaConf
from pydantic.fields import FieldInfo

from wavu import command
from wavu.errors import WavuError
from wavu.settings.base import Settings, blocks_in, tag_of
from wavu.settings.mistakes import checked

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "wavu"
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in sorted(PACKAGE.rglob("*.py"))}

FLOOR = {
    "errors",
    "units",
    "progress",
    "store",
    "ragged",
    "eight_bits",
    "stage",
    "hold",
    "seal",
    "prepared",
    "transcription",
    "feed",
    "training",
    "hub",
    "device",
    "cores",
    "settings",
}
DOOR = "command"
# Modules that put steps together for commands and Python programs alike, each with its reason.
ASSEMBLIES = {
    "recogniser": "wavu.load opens what wavu.transcribe opens",
    "engines": "a generator, an HMM and a student are heard alike",
    "hearing": "transcribe and zero_shot name recordings and write what was heard alike",
    "stages": "what the commands of the path do, for one that runs them all",
    "page": "the report shows what all stages of a run have left",
    "web": "a recogniser, the reader of audio and the formats, behind HTTP",
    "fine_tune": "the last turn of self_train, long enough for a file of its own",
    "references": "what is true is spelled as the text is and scored beside what was found",
}
# What people read: commands shown there are accepted, and what is named there exists.
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = {path.stem for path in (ROOT / "configs").glob("*.yaml")} - {"base"}

# Imports beside the rule "a step imports its own folder or the floor", each with its reason.
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("__main__", "completion"): "wavu --completion",
    ("__main__", "command"): "it knows where the YAMLs are that are completed from",
    ("decode", "text"): "words are found with the text's n-gram",
}


def trees() -> Iterator[tuple[str, ast.Module]]:
    for name, path in MODULES.items():
        yield name, ast.parse(path.read_text(encoding="utf-8"))


def home(module: str) -> str:
    """``wavu.gan.model`` lives in ``gan``, ``wavu.store`` in ``store``."""
    return (module.split(".") + ["__init__"])[1]


def imported(tree: ast.Module) -> Iterator[str]:
    """The wavu modules that a module imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            names = [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name for name in names if name in MODULES or f"{name}.__init__" in MODULES)


def may_import(user: str, used: str) -> bool:
    if used in FLOOR or used == "wavu" or used == "__init__":
        return used in FLOOR or user not in FLOOR
    if used == DOOR:
        return user in COMMANDS
    if used in ASSEMBLIES:
        return user in COMMANDS | ASSEMBLIES.keys() | {"__init__"}
    return used not in COMMANDS and (user in COMMANDS or user in ASSEMBLIES or user == used)


def test_imports_point_down() -> None:
    wrong = [
        f"{name} imports {other}"
        for name, tree in trees()
        for other in imported(tree)
        if other != "wavu" and not may_import(home(name), home(other)) and (home(name), home(other)) not in EXCEPTIONS
    ]
    assert not wrong


def test_models_of_others_have_one_door() -> None:
    """Beyond it, nothing would keep pickles and code out."""
    doors = {name for name, tree in trees() for node in ast.walk(tree) if getattr(node, "attr", "") == "from_pretrained"}
    assert doors == {"wavu.hub"}
    called = [(name, ast.unparse(node.func)) for name, tree in trees() for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert not [
        call for call in called if re.fullmatch(r"(torch|pickle|joblib)\.loads?|yaml\.(unsafe_|full_)?load|eval|exec", call[1])
    ]


def test_only_commands_know_hydra_and_print() -> None:
    for name, tree in trees():
        if home(name) in COMMANDS | {DOOR, "__main__"}:
            continue
        roots = {alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        roots |= {(node.module or "").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not roots & {"hydra", "omegaconf", "argparse"}, name
        assert not any(isinstance(node, ast.Name) and node.id == "print" for node in ast.walk(tree)), name


def words_of_code(path: Path) -> Iterator[tuple[int, str]]:
    """Names and string literals of a file with their lines; no comments, no docstrings, no error messages or help."""
    source = path.read_text(encoding="utf-8")
    prose = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, node.end_lineno + 1)
    }
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.NAME, tokenize.STRING) and token.start[0] not in prose:
            yield token.start[0], token.string


# What is true of recordings is read in one file, for commands that score: nothing that trains, chooses or stops may see it.
REFERENCES = "references"
SCORERS = {"evaluate", "report", "demo"}


def test_references_have_one_door() -> None:
    users = {home(name) for name, tree in trees() for other in imported(tree) if home(other) == REFERENCES}
    assert users == SCORERS
    wrong = [
        f"{path.relative_to(ROOT)}:{line} {word}"
        for name, path in MODULES.items()
        if home(name) not in SCORERS | {REFERENCES} and name != "wavu.settings.scoring"  # which only names them
        for line, word in words_of_code(path)
        if re.search(r"\b(references?|transcripts?)\b", word.lower().replace("_", " "))
    ]
    assert not wrong


# What people say has been said in recordings of OTHER languages teaches the zero-shot rival, and nothing else: one file reads such
# labels for one command, which nothing imports, it writes down whose labels it has seen, and zero_shot refuses a model that has seen those of
# the language it is to hear (the tests of both commands check that it does).
LABELS = "wavu.stages.labelled"
TEACHER = {"wavu.phoneme_ctc", "wavu.stages.phoneme_ctc", LABELS}


def tables_read(tree: ast.Module) -> Iterator[set[str]]:
    """The columns named in each call of read_table, whatever else they are computed from."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "read_table":
            yield {leaf.value for leaf in ast.walk(node) if isinstance(leaf, ast.Constant)}


def test_labels_of_other_languages_have_one_door() -> None:
    readers = {name for name, tree in trees() if any({"id", "text"} <= columns for columns in tables_read(tree))}
    assert readers == {LABELS}, "only the teacher reads what is said in recordings (references are read in their own way)"
    assert not [name for name, tree in trees() if name not in TEACHER and TEACHER & set(imported(tree))]
    readers = {name for name, tree in trees() if "languages_taught" in ast.unparse(tree) and home(name) not in FLOOR}
    assert {"wavu.stages.phoneme_ctc", "wavu.zero_shot", "wavu.stages.audio"} == readers
    assert "languages" in {word.strip("\"'") for _, word in words_of_code(MODULES["wavu.stages.phoneme_ctc"])}


def test_every_module_says_what_it_is_and_has_a_test() -> None:
    for name, tree in trees():
        path = MODULES[name]
        if path.name == "__init__.py":
            continue
        docstring = ast.get_docstring(tree)
        assert docstring, f"{name} has no docstring"
        assert path.stem not in {"utils", "helpers", "common", "misc"}
        if name.count(".") == 1 and any(home(other) == "stages" for other in imported(tree)):
            continue  # the door of a stage, whose tests go through it
        mirror = ROOT / "tests" / path.relative_to(PACKAGE).parent / f"test_{path.stem}.py"
        assert mirror.exists() or name == "wavu.errors", f"{name} has no {mirror.relative_to(ROOT)}"


def test_no_function_is_longer_than_60_lines() -> None:
    functions = [(name, node) for name, tree in trees() for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert not [f"{name}.{node.name}" for name, node in functions if node.end_lineno - node.lineno >= 60]


def test_no_path_of_one_persons_machine() -> None:
    folders = [ROOT / name for name in ("wavu", "configs", "scripts", "tests")]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in {".py", ".yaml", ".sh"}]
    machine = re.compile(
        r"(?<![\w.}\"'])/(" + "|".join(("home", "root", "tmp", "work", "Users", "mnt", "data", "checkpoint")) + r")/\w"
    )
    files += [ROOT / name for name in ("LOG.md", "CHANGELOG.md", "Makefile", "pyproject.toml", "mkdocs.yml", ".ci/run")]
    files += [*PAGES, *(ROOT / "docs").glob("*.ipynb")]
    assert not [path for path in files if path != Path(__file__) and machine.search(path.read_text(encoding="utf-8"))]


# Settings


def schema_of(name: str) -> type[Settings]:
    """The class of a command's settings."""
    return inspect.getclosurevars(importlib.import_module(f"wavu.{name}").main).nonlocals["schema"]


def composed(name: str, *overrides: str) -> dict:
    """What Hydra composes, with a word where a setting must be given."""
    with command._settings_folder():
        config = compose(config_name=name, overrides=list(overrides))
        for key in OmegaConf.missing_keys(config):
            OmegaConf.update(config, key, ["given"] if key == "files" else f"given for {key}")
        return OmegaConf.to_container(config, resolve=True)


def groups_of(name: str) -> list[str]:
    """The groups that a command's YAML chooses from."""
    defaults = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text(encoding="utf-8"))["defaults"]
    return [group for entry in defaults if isinstance(entry, dict) for group in entry]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_yaml_composes_with_every_choice(name: str) -> None:
    """What is refused can only be settings that do not go together."""
    for override in ["", *(f"{group}={choice}" for group in groups_of(name) for choice in command._choices(group))]:
        try:
            checked(schema_of(name), composed(name, *filter(None, [override])), command=name)
        except WavuError as error:
            assert not re.search("unknown setting|must be given|must be (a|at|above|below) ", str(error)), override


def test_every_group_belongs_to_a_command() -> None:
    used = {group for name in COMMANDS for group in groups_of(name)}
    assert used == {folder.name for folder in (ROOT / "configs").iterdir() if folder.is_dir()}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_setting_is_explained_on_its_line(name: str) -> None:
    lines = (ROOT / "configs" / f"{name}.yaml").read_text(encoding="utf-8").split("\n")
    assert not [line for line in lines if re.match(r"\s*\w+:\s*[^\s#]", line) and "#" not in line]


def test_every_choice_of_a_group_says_what_it_is() -> None:
    assert not [path for path in (ROOT / "configs").glob("*/*.yaml") if "#" not in path.read_text(encoding="utf-8")]


def leaves(tree: dict, *above: str) -> Iterator[tuple[tuple[str, ...], object]]:
    for key, value in tree.items():
        yield from leaves(value, *above, key) if isinstance(value, dict) else [((*above, key), value)]


def blocks_of(schema: type[Settings]) -> Iterator[type[Settings]]:
    """A class of settings and all that are below it."""
    yield schema
    for field in schema.model_fields.values():
        for block in blocks_in(field.annotation):
            yield from blocks_of(block)


def field_at(schema: type[Settings], values: dict, path: tuple[str, ...]) -> FieldInfo | None:
    """The field of a setting, of the variants that ``values`` has chosen; none within a mapping such as a grid, or of a choice that the command refuses."""
    for key in path[:-1]:
        values = values[key]
        blocks = blocks_in(schema.model_fields[key].annotation)
        if not blocks:
            return None
        schema = next((block for block in blocks if values.get(tag_of(block)[0]) == tag_of(block)[1]), blocks[0])
    return schema.model_fields.get(path[-1])


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_setting_has_its_value_in_one_place(name: str) -> None:
    """In the command's YAML or in its class; a choice of a group states only what differs from the class."""
    files: list[tuple[Path, str]] = [(ROOT / "configs" / f"{name}.yaml", "")]
    files += [(path, path.parent.name) for group in groups_of(name) for path in (ROOT / "configs" / group).glob("*.yaml")]
    twice = []
    for path, group in files:
        text = path.read_text(encoding="utf-8")
        own = {key: value for key, value in (yaml.safe_load(text) or {}).items() if key != "defaults"}
        values = composed(name, *[f"{group}={path.stem}"] if group else [])
        for setting, value in leaves({group: own} if group and "@package _global_" not in text else own):
            field = field_at(schema_of(name), values, setting)
            if field and not field.is_required() and (not group or field.get_default() == value):
                twice.append(f"{path.relative_to(ROOT)}: {'.'.join(setting)}={value}")
    assert not twice


def test_every_setting_that_stands_in_no_yaml_is_explained() -> None:
    fields = [
        (block, name, field)
        for command_name in COMMANDS
        for block in blocks_of(schema_of(command_name))
        for name, field in block.model_fields.items()
    ]
    assert not {f"{block.__name__}.{name}" for block, name, field in fields if not field.is_required() and not field.description
                and not blocks_in(field.annotation)}  # fmt: skip


def test_a_setting_has_no_second_home_in_a_step() -> None:
    known = {name for command_name in COMMANDS for block in blocks_of(schema_of(command_name)) for name in block.model_fields}
    wrong = []
    for name, tree in trees():
        if home(name) in COMMANDS | FLOOR | {DOOR}:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                defaults = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
                wrong += [
                    f"{name}.{node.name}({argument.arg}=)"
                    for argument, default in defaults
                    if default is not None and argument.arg in known
                ]
    assert not wrong


def blocks_spread() -> Iterator[tuple[ModuleType, list[type[Settings]], ast.Call, list[str]]]:
    """Calls that spread a block of settings, ``step(**settings.block.plain())``: where, of which classes, the path of the block."""
    for name, tree in trees():
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef):
                continue
            kinds = {argument.arg: ast.unparse(argument.annotation) for argument in function.args.args if argument.annotation}
            for node in ast.walk(function):
                for keyword in node.keywords if isinstance(node, ast.Call) else []:
                    found = (
                        re.fullmatch(r"settings((?:\.\w+)*)\.plain\(\)", ast.unparse(keyword.value))
                        if keyword.arg is None
                        else None
                    )
                    if found:
                        module = importlib.import_module(name)
                        yield module, blocks_in(eval(kinds["settings"], vars(module))), node, found[1].split(".")[1:]


def test_a_block_that_is_spread_fits_the_step_it_goes_to() -> None:
    spread = list(blocks_spread())
    assert len(spread) > 5
    for module, blocks, call, keys in spread:
        step: object = module
        for part in ast.unparse(call.func).split("."):
            step = getattr(step, part)
        for key in keys:
            blocks = [
                inner for block in blocks if key in block.model_fields for inner in blocks_in(block.model_fields[key].annotation)
            ]
        parameters = inspect.signature(step).parameters.values()
        wanted = {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
        # A step with **settings hands them on to what its ``kind`` names; there they are checked when it is called.
        handed_on = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
        others = {keyword.arg for keyword in call.keywords if keyword.arg}
        given = [set(block.model_fields) | others for block in blocks]
        # Of several classes, a check before the call may have left one.
        assert any(wanted <= names if handed_on else wanted == names for names in given), (
            f"{ast.unparse(call.func)} in {module.__name__}"
        )


# What is shown runs


def shown_commands(text: str) -> list[list[str]]:
    """``wavu NAME ...`` and ``python -m wavu.NAME ...`` lines, alone or behind a pipe, as lists of words."""
    joined = text.replace("\\\n", " ")
    lines = re.findall(r"^ *(?:.*\| )?(?:wavu |python -m wavu\.)([\w-]+ .*)$", joined, flags=re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def code(markdown: str) -> str:
    """The blocks of shell commands in a page."""
    return "\n".join(re.findall(r"```(?:bash|sh|console)\n(.*?)```", markdown, flags=re.DOTALL))


def indented(docstring: str) -> str:
    """The examples in a docstring."""
    return "\n".join(line for line in docstring.splitlines() if line.startswith("    "))


SHOWN = [
    (str(path.relative_to(ROOT)), words) for path in PAGES for words in shown_commands(code(path.read_text(encoding="utf-8")))
]
SHOWN += [
    (f"{name}.py", words)
    for name in sorted(COMMANDS)
    for words in shown_commands(indented(ast.get_docstring(ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8")))))
]


def test_commands_are_found_where_pages_show_them() -> None:
    page = "wavu is told in prose\n```bash\nwavu a x=1 \\\n  y=2  # why\nls | python -m wavu.b - z=3\n```\n```text\nwavu c d=1\n```\n"
    assert shown_commands(code(page)) == [["a", "x=1", "y=2"], ["b", "-", "z=3"]]
    assert len([place for place, _ in SHOWN if place.startswith("docs/")]) > 20
    assert {words[0] for place, words in SHOWN if not place.endswith(".py")} >= COMMANDS - {"demo"}


@pytest.mark.parametrize(("place", "words"), SHOWN, ids=[f"{place}-{index}" for index, (place, _) in enumerate(SHOWN)])
def test_every_command_line_that_is_shown_would_be_accepted(place: str, words: list[str]) -> None:
    name, *arguments = words[0].replace("-", "_"), *words[1:]
    if name not in COMMANDS:
        pytest.skip(f"there is no configs/{name}.yaml")
    if "--help" not in arguments:
        module = importlib.import_module(f"wavu.{name}")
        main = inspect.getclosurevars(module.main).nonlocals
        command.composed(name, main["schema"], arguments, files=main["files"], open_groups=main["open_groups"])


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_is_worth_reading(name: str) -> None:
    module = importlib.import_module(f"wavu.{name}")
    text = command.help_text(name, schema_of(name), module.__doc__)
    typed = (f"python -m wavu.{name}", f"wavu {name.replace('_', '-')} ")
    assert any(form in text for form in typed) and "Settings" in text
    assert callable(module.main)


README = (ROOT / "README.md").read_text(encoding="utf-8")
TARGETS = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_names_targets_and_scripts_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"\bmake ([\w-]+)", code(text))) | set(re.findall(r"`make ([\w-]+)", text)) <= set(TARGETS)
    for script in set(re.findall(r"scripts/[\w.]+\w", text)):
        assert (ROOT / script).exists(), script


def test_the_readme_is_short_and_tells_how_to_test() -> None:
    assert README.count("\n") <= 130
    assert "make test" in README and "make test" in (ROOT / ".ci" / "run").read_text()


def test_the_file_tree_that_is_shown_is_the_file_tree() -> None:
    tree = re.search(r"```text\nwavu/.*?```", (ROOT / "docs" / "code.md").read_text(encoding="utf-8"), flags=re.DOTALL)[0]
    shown = set(re.findall(r"[├└]── ([\w.]+?)(?:\.py|/)?\s", tree))
    there = {path.stem for path in PACKAGE.iterdir() if not path.name.startswith("__") and path.suffix in {"", ".py"}}
    assert shown == there - {"configs"}
