"""Descriptions of wrong fields that several rules share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

import orjson

from dragoman_service.errors import FieldViolation
from dragoman_service.validation import limits


class Enum(Protocol):
    """An enum of the schema."""

    def keys(self) -> list[str]: ...


def missing(at: str, wanted: str) -> FieldViolation:
    """A field that is required and was not set."""
    return FieldViolation(at, f"is required: {wanted}")


def unknown_value(at: str, enum: Enum) -> FieldViolation:
    """A number that is no value of the enum. Its names are shown as stubs and JSON have them."""
    names = [name for name in enum.keys() if not name.endswith("UNSPECIFIED")]  # noqa: SIM118 - not a mapping
    return FieldViolation(at, f"must be one of {', '.join(names)}")


def out_of_range(at: str, value: float, allowed: str) -> FieldViolation:
    """A number that is not `allowed`."""
    shown = value if isinstance(value, int) else f"{value:g}"
    return FieldViolation(at, f"is {shown}; must be {allowed}")


def too_long(at: str, text: str, most: int) -> FieldViolation:
    """A text with more than `most` characters."""
    return FieldViolation(at, f"has {len(text)} characters; at most {most} are allowed")


def too_many(at: str, count: int, most: int, noun: str) -> FieldViolation:
    """A list with more than `most` items."""
    return FieldViolation(at, f"has {count} {noun}; at most {most} are allowed")


def schema_violations(text: str, at: str) -> Iterator[FieldViolation]:
    """Mistakes in a JSON Schema that is given as text."""
    if len(text) > limits.SCHEMA:
        yield too_long(at, text, limits.SCHEMA)
        return
    try:
        schema = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        yield FieldViolation(at, f"is not valid JSON (line {error.lineno}, column {error.colno})")
        return
    if not isinstance(schema, dict):
        yield FieldViolation(at, 'must be a JSON object, as in {"type": "object"}')


def extension_violations(extensions: Mapping[str, str], at: str) -> Iterator[FieldViolation]:
    """Mistakes in the extensions of a request or of one of its parts, whose path is `at`."""
    if len(extensions) > limits.EXTENSIONS:
        yield too_many(at, len(extensions), limits.EXTENSIONS, "keys")
        return
    for key, value in sorted(extensions.items()):
        path = f"{at}[{key[:64]!r}]"
        if not 1 <= len(key) <= limits.EXTENSION_KEY:
            yield FieldViolation(path, f"keys must have 1 to {limits.EXTENSION_KEY} characters")
        try:
            orjson.loads(value)
        except orjson.JSONDecodeError:
            yield FieldViolation(path, "must be valid JSON")
