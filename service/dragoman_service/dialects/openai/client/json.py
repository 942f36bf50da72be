"""Writes the JSON of requests with their schemas and extensions, and checks the values in that of answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson

from dragoman_service.errors import FieldViolation, invalid, malformed_answer

_OWN = frozenset(
    {
        "model", "messages", "prompt", "stream", "stream_options", "n", "stop", "seed", "temperature", "top_p", "top_k",
        "min_p", "max_tokens", "max_completion_tokens", "presence_penalty", "frequency_penalty", "repetition_penalty",
        "logprobs", "top_logprobs", "response_format", "tools", "tool_choice", "parallel_tool_calls",
    }
)  # fmt: skip
"""Parameters that fields of the schema stand for: as extensions they would change what the answer is read as."""
MAX_COUNT = 2**53
"""More than an answer can count."""


def schema_object(text: str, path: str) -> Mapping[str, Any]:
    """The JSON schema in `text`, its properties in their order. Raises INVALID_FIELD for `path`."""
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError):
        raise invalid(FieldViolation(path, "must be valid JSON")) from None
    if not isinstance(schema, dict):
        raise invalid(FieldViolation(path, "must be a JSON object"))
    return schema


def extend(encoded: dict[str, Any], extensions: Mapping[str, str], at: str = "extensions") -> dict[str, Any]:
    """`encoded` with the `extensions` whose path is `at`: objects that both have are merged, and no other key of
    `encoded` is replaced. Raises INVALID_FIELD.
    """
    if not extensions:  # to go through an empty map of protobuf is slow
        return encoded
    for key, text in extensions.items():
        if at == "extensions" and key in _OWN:
            raise invalid(FieldViolation(f"{at}[{key!r}]", "stands for a field of the request: set that field"))
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise invalid(FieldViolation(f"{at}[{key!r}]", "must be valid JSON")) from None
        known = encoded.get(key)
        if isinstance(known, dict) and isinstance(value, dict):
            encoded[key] = {**known, **value}
        else:
            encoded.setdefault(key, value)
    return encoded


def json_bytes(value: Any) -> bytes:
    """`value` as JSON text in UTF-8.

    A schema may hold numbers of any size and escape lone surrogates, for which orjson has no place. UTF-8 cannot hold
    lone surrogates: then all characters beyond ASCII are escaped.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode()


def is_json(data: bytes) -> bool:
    """`data` is one complete JSON text."""
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def mapping(value: Any, name: str) -> Mapping[str, Any]:
    """`value`, or an empty object for null. Raises PROVIDER_MALFORMED if it is not an object."""
    if value is None:
        return {}
    if type(value) is not dict:
        raise malformed_answer(f"sent a {name} that is not an object")
    return value


def items(value: Any, name: str) -> list[Any]:
    """`value`, or an empty list for null. Raises PROVIDER_MALFORMED if it is not a list."""
    if value is None:
        return []
    if type(value) is not list:
        raise malformed_answer(f"sent {name} that are not a list")
    return value


def text(value: Any) -> str:
    """`value`. Raises PROVIDER_MALFORMED if it is not a string."""
    if type(value) is not str:
        raise malformed_answer("sent a text that is not a string")
    return value


def count(value: Any, name: str) -> int:
    """`value`, or 0 for null. Raises PROVIDER_MALFORMED if it is not a non-negative integer."""
    number = value or 0
    if type(number) is not int or not 0 <= number < MAX_COUNT:
        raise malformed_answer(f"sent {name} that is not a count")
    return number
