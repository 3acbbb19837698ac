"""What is wrong with a setting, in the reader's terms."""

import difflib
from textwrap import shorten
from typing import Any

from pydantic import ValidationError

from wavu.errors import WavuError
from wavu.settings.base import Block, Settings, blocks_in, tag_of

SHOWN = 80  # characters of a value


def checked(schema: type[Block], values: dict[str, Any], *, command: str) -> Block:
    """Composed settings as their class.

    Raises:
        WavuError: a name is unknown, or a value is of another kind or out of its range; which, and what it may be.
    """
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise WavuError(_in_words(schema, error.errors()[0], command)) from error


def _in_words(schema: type[Settings], error: Any, command: str) -> str:
    """One error of pydantic in one line of the reader's terms."""
    return " ".join(_told(schema, error, command).split())


def _told(schema: type[Settings], error: Any, command: str) -> str:
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
                else f"{key}={shorten(str(value), SHOWN)} must be a mapping"
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
    shown = shorten("null" if value is None else str(value).lower() if isinstance(value, bool) else str(value), SHOWN)
    return f"{key}={shown} {told.get(kind, error['msg'])}" if key else f"{context.get('error', error['msg'])}"


def _place(schema: type[Settings], location: tuple[str | int, ...]) -> tuple[str, list[str], list[str]]:
    """Where pydantic found an error: the setting's name, the names beside it, and those below it if it is a block."""
    key: list[str] = []
    above, blocks = [schema], [schema]
    for part in location:
        if not blocks:  # within a value: an item of a list, a member of a union
            break
        if len(blocks) > 1:
            blocks = [block for block in blocks if tag_of(block)[1] == part]
            continue
        key.append(str(part))
        field = blocks[0].model_fields.get(str(part))
        above, blocks = blocks, blocks_in(field.annotation) if field else []
    beside = [".".join([*key[:-1], name]) for name in above[0].model_fields]
    return ".".join(key), beside, [".".join([*key, name]) for block in blocks[:1] for name in block.model_fields]


def nearest(word: str, known: list[str]) -> str:
    """`` (did you mean 'x'?)`` or nothing."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" (did you mean '{near[0]}'?)" if near else ""
