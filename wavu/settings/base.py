"""A block of settings, and the kinds of value that settings have."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator


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
    if is_url(value):
        raise ValueError("must lie on this machine; only prepare_audio reads recordings from a URL")
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise ValueError("is in the home folder of somebody who is not known here") from error


def is_url(value: object) -> bool:
    """Whether this is a place elsewhere, such as ``s3://bucket/folder``, which a Path would make ``s3:/bucket/folder``."""
    return isinstance(value, str) and re.match(r"[a-z][a-z0-9+.-]*://", value) is not None


def _source(value: object) -> object:
    return value if is_url(value) else _path(value)


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
Source = Annotated[Path | str, BeforeValidator(_source)]  # a place on this machine, or a URL, which is a str
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


class Lengths(Settings):
    """Of what is heard, in seconds; what they are for, each command says."""

    min_seconds: NotNegative
    max_seconds: Positive

    @model_validator(mode="after")
    def _some_length_is_left(self) -> "Lengths":
        if self.max_seconds <= self.min_seconds:
            raise ValueError(f"max_seconds={self.max_seconds:g} must be above min_seconds={self.min_seconds:g}")
        return self


class Work(Settings):
    """What every command that leaves a folder has."""

    out_dir: Place
    overwrite: bool = False
    """true: throw away what out_dir holds and start again"""


class Loading(Settings):
    """What every command has that opens a model which somebody else may have made."""

    trust_pickle: bool = Field(default=False, exclude=True)
    """true: read weights that are pickled too, where there are no safetensors; a pickle can run any code when it is read"""


def seldom_set(schema: type[Settings], values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """Settings that stand in no YAML: name, value and what it is, of the variants that ``values`` has chosen."""
    for name, field in schema.model_fields.items():
        given = values.get(name, {} if field.default_factory else None)
        blocks = blocks_in(field.annotation)
        if blocks and isinstance(given, dict):
            block = next((block for block in blocks if given.get(tag_of(block)[0]) == tag_of(block)[1]), blocks[0])
            yield from seldom_set(block, given, f"{prefix}{name}.")
        elif name not in values and not field.is_required():
            yield f"{prefix}{name}", field.get_default(), " ".join((field.description or "").split())


def blocks_in(annotation: object) -> list[type[Settings]]:
    """The classes of settings that a field may hold: none for a plain value, several where their first setting tells which."""
    members = [annotation, *get_args(annotation)]
    return [member for member in members if isinstance(member, type) and issubclass(member, Settings)]


def tag_of(block: type[Settings]) -> tuple[str, str | None]:
    """The setting that says which of several blocks this is, such as ``kind``: the first of them, and what it says here."""
    name, field = next(iter(block.model_fields.items()))
    return name, next(iter(get_args(field.annotation)), None)
