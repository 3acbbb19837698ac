"""A block of settings, the kinds of value that settings have, and what is wrong with one in the reader's terms."""

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from wavu.errors import WavuError


class Settings(BaseModel):
    """A block of settings: it cannot be changed, knows no other names than its own, and takes no word for a number."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, validate_default=True, use_attribute_docstrings=True
    )

    def plain(self, *names: str) -> dict[str, Any]:
        """The settings, or those that are named, as JSON has them: to be written down, or spread into a step."""
        return self.model_dump(mode="json", include=set(names) or None)


Block = TypeVar("Block", bound=Settings)


def _word(value: object) -> object:
    """A number given for a word, such as a folder called 2024, is that word."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _path(value: object) -> object:
    value = _word(value)
    if not isinstance(value, str):
        return value
    if not value or "\0" in value:
        raise ValueError("must be the path of a file or folder")
    return Path(value).expanduser()


def _device(value: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?", value):
        raise ValueError("must be auto, cpu, cuda or, of several GPUs, such as cuda:1")
    return value


def _ascending(values: list[float]) -> list[float]:
    if values[0] > values[1]:
        raise ValueError("must be two numbers, the lesser first")
    return values


MOST = 2**31 - 1  # of what is counted: what numpy, torch and FAISS all take

Place = Annotated[Path, BeforeValidator(_path)]
Word = Annotated[str, Field(min_length=1), BeforeValidator(_word)]
Device = Annotated[str, AfterValidator(_device)]
Whole = Annotated[int, Field(ge=0, le=MOST)]
Count = Annotated[int, Field(ge=1, le=MOST)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]  # what numpy and scikit-learn take
Number = Annotated[float, Field(ge=-1e12, le=1e12)]
Positive = Annotated[float, Field(gt=0, le=1e12)]
NotNegative = Annotated[float, Field(ge=0, le=1e12)]
Share = Annotated[float, Field(ge=0, le=1)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
Between = Annotated[list[Positive], Field(min_length=2, max_length=2), AfterValidator(_ascending)]  # least and most
Precision = Literal["no", "fp16", "bf16"]


class Work(Settings):
    """What every command that leaves a folder has."""

    out_dir: Place
    overwrite: bool = False
    """true: throw away what out_dir holds and start again"""


def checked(schema: type[Block], values: dict[str, Any], *, command: str) -> Block:
    """Composed settings as their class.

    Raises:
        WavuError: a name is unknown, or a value is of another kind or out of its range; which, and what it may be.
    """
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise WavuError(_in_words(schema, error.errors()[0], command)) from error


def seldom_set(schema: type[Settings], values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """Settings that stand in no YAML: name, value and what it is, of the variants that ``values`` has chosen."""
    for name, field in schema.model_fields.items():
        given = values.get(name, {} if field.default_factory else None)
        blocks = _blocks(field.annotation)
        if blocks and isinstance(given, dict):
            block = next((block for block in blocks if given.get(_tag(block)[0]) == _tag(block)[1]), blocks[0])
            yield from seldom_set(block, given, f"{prefix}{name}.")
        elif name not in values and not field.is_required():
            yield f"{prefix}{name}", field.get_default(), " ".join((field.description or "").split())


def _blocks(annotation: object) -> list[type[Settings]]:
    """The classes of settings that a field may hold: none for a plain value, several where their first setting tells which."""
    members = [annotation, *get_args(annotation)]
    return [member for member in members if isinstance(member, type) and issubclass(member, Settings)]


def _tag(block: type[Settings]) -> tuple[str, str | None]:
    """The setting that says which of several blocks this is, such as ``kind``: the first of them, and what it says here."""
    name, field = next(iter(block.model_fields.items()))
    return name, next(iter(get_args(field.annotation)), None)


def _in_words(schema: type[Settings], error: Any, command: str) -> str:
    """One error of pydantic in the reader's terms."""
    key, beside, below = _place(schema, error["loc"])
    value, context, kind = error["input"], error.get("ctx", {}), error["type"]
    match kind:
        case "extra_forbidden":
            return f"unknown setting '{key}'{nearest(key, beside)}; see python -m wavu.{command} --help"
        case "missing":
            return f"{key} must be given: python -m wavu.{command} {key}=..."
        case "union_tag_invalid":
            name, given, known = (str(context[part]).replace("'", "") for part in ("discriminator", "tag", "expected_tags"))
            return f"{key}.{name}={given} is unknown; give {known}"
        case "model_type" | "model_attributes_type" | "dict_type":
            return (
                f"{key} is a block of settings; give one of them: {', '.join(below)}"
                if below
                else f"{key}={value} must be a mapping"
            )
    told = {
        "int_type": "must be a whole number",
        "int_from_float": "must be a whole number",
        "float_type": "must be a number",
        "finite_number": "must be a finite number",
        "bool_type": "must be true or false",
        "string_type": "must be a word",
        "list_type": "must be a list in [brackets]",
        "is_instance_of": "must be the path of a file or folder",
        "greater_than": f"must be above {context.get('gt')}",
        "greater_than_equal": f"must be at least {context.get('ge')}",
        "less_than": f"must be below {context.get('lt')}",
        "less_than_equal": f"must be at most {context.get('le')}",
        "literal_error": f"is unknown; give {context.get('expected')}",
        "too_short": f"must have at least {context.get('min_length')} values",
        "too_long": f"must have at most {context.get('max_length')} values",
        "string_too_short": "is empty",
        "value_error": str(context.get("error")),
    }
    if kind == "value_error" and isinstance(value, dict) and key:  # of a block
        return f"{key}: {context['error']}"
    shown = "null" if value is None else str(value).lower() if isinstance(value, bool) else value
    return f"{key}={shown} {told.get(kind, error['msg'])}" if key else f"{context.get('error', error['msg'])}"


def _place(schema: type[Settings], location: tuple[str | int, ...]) -> tuple[str, list[str], list[str]]:
    """Where pydantic found an error: the setting's name, the names beside it, and those below it if it is a block."""
    key: list[str] = []
    above, blocks = [schema], [schema]
    for part in location:
        if not blocks:  # within a value: an item of a list, a member of a union
            break
        if len(blocks) > 1:
            blocks = [block for block in blocks if _tag(block)[1] == part]
            continue
        key.append(str(part))
        field = blocks[0].model_fields.get(str(part))
        above, blocks = blocks, _blocks(field.annotation) if field else []
    beside = [".".join([*key[:-1], name]) for name in above[0].model_fields]
    return ".".join(key), beside, [".".join([*key, name]) for block in blocks[:1] for name in block.model_fields]


def nearest(word: str, known: list[str]) -> str:
    """`` (did you mean 'x'?)`` or nothing."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" (did you mean '{near[0]}'?)" if near else ""
