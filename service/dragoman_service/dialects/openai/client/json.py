"""JSON as upstreams send it: read fast, and with more patience where that fails."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson

from dragoman_service.errors import FieldViolation, invalid, malformed_answer


def schema_object(text: str, path: str) -> Mapping[str, Any]:
    """The schema that `text` is, in the order of its properties. Raises INVALID_FIELD for `path`."""
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError):
        raise invalid(FieldViolation(path, "must be JSON")) from None
    if not isinstance(schema, dict):
        raise invalid(FieldViolation(path, "must be a JSON object"))
    return schema


def parsed(data: bytes) -> Mapping[str, Any]:
    """The object that `data` is. Raises PROVIDER_MALFORMED.

    Halves of characters, which JSON can hold and our messages cannot, are replaced.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        value = _patiently(data)
    if type(value) is not dict:
        raise malformed_answer("sent an answer that is no object")
    return value


def _patiently(data: bytes) -> Any:
    try:
        text = json.dumps(json.loads(data), ensure_ascii=False)
        return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    except (ValueError, RecursionError):
        raise malformed_answer("sent what is no JSON") from None


def mapping(value: Any, name: str) -> Mapping[str, Any]:
    """`value`, or nothing where it is null. Raises PROVIDER_MALFORMED for what is no object."""
    if value is None:
        return {}
    if type(value) is not dict:
        raise malformed_answer(f"sent a {name} that is no object")
    return value


def items(value: Any, name: str) -> list[Any]:
    """`value`, or nothing where it is null. Raises PROVIDER_MALFORMED for what is no list."""
    if value is None:
        return []
    if type(value) is not list:
        raise malformed_answer(f"sent {name} that are no list")
    return value


def text(value: Any) -> str:
    """`value`. Raises PROVIDER_MALFORMED for what is no text."""
    if type(value) is not str:
        raise malformed_answer("sent a text that is none")
    return value


def count(value: Any, name: str) -> int:
    """`value`, 0 where it is null. Raises PROVIDER_MALFORMED for what is no count."""
    number = value or 0
    if type(number) is not int or not 0 <= number < 2**53:
        raise malformed_answer(f"sent {name} that is no count")
    return number
