"""What is said of a wrong field in more than one place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import orjson

from dragoman_service.errors import FieldViolation
from dragoman_service.validation import limits


class Enum(Protocol):
    """An enum of the schema."""

    def keys(self) -> list[str]: ...


def unknown_value(at: str, enum: Enum, prefix: str) -> FieldViolation:
    """Not a value of the enum; its names are shown without `prefix`."""
    names = [name for name in enum.keys() if not name.endswith("UNSPECIFIED")]  # noqa: SIM118 - no mapping
    return FieldViolation(at, f"should be one of {', '.join(name.removeprefix(prefix) for name in names)}")


def too_long(at: str, text: str, most: int) -> FieldViolation:
    """More characters than are allowed."""
    return FieldViolation(at, f"has {len(text)} characters; at most {most} are allowed")


def schema_violations(text: str, at: str) -> Iterator[FieldViolation]:
    """What is wrong with a JSON schema as text."""
    if len(text) > limits.SCHEMA:
        yield too_long(at, text, limits.SCHEMA)
        return
    try:
        schema = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        yield FieldViolation(at, f"is no JSON (line {error.lineno}, column {error.colno})")
        return
    if not isinstance(schema, dict):
        yield FieldViolation(at, 'should be a JSON object, as in {"type": "object"}')
