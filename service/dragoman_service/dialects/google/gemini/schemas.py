"""Schemas in the style of OpenAPI, as Gemini's `Schema` has them, turned into JSON Schema."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from dragoman_service.dialects.google.gemini.enums import TYPE, Api
from dragoman_service.dialects.google.keys import camel_case
from dragoman_service.errors import FieldViolation, invalid

_MAX_DEPTH = 32
_EXACT = 2.0**53  # up to here a float is a whole number for certain
_LIMITS = frozenset(
    {"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties", "minimum", "maximum"}
)
_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_MAPS = frozenset({"properties", "defs", "definitions", "$defs"})
_KEYS = {"ref": "$ref", "defs": "$defs", "schema": "$schema", "id": "$id", "anchor": "$anchor"}
"""Keys that lose their `$` in this style."""
_OWN = frozenset({"nullable", "propertyOrdering", "example"})
_FORMATS = frozenset({"enum", "float", "double", "int32", "int64"})
"""Formats that say no more than the type, and that JSON Schema does not know."""


def json_schema(schema: Mapping[str, Any], path: str, api: Api, depth: int = _MAX_DEPTH) -> dict[str, Any]:
    """The JSON Schema of a schema at `path` in the request, its properties in the order that it asks for.

    What it does not know is kept: it may be JSON Schema already. Raises INVALID_FIELD.
    """
    if not depth:
        raise invalid(FieldViolation(path[:128], f"is nested more than {_MAX_DEPTH} deep"))
    given = {camel_case(key): value for key, value in schema.items()}
    found: dict[str, Any] = {}
    for key, value in given.items():
        if value is None or key in _OWN or (key == "format" and str(value) in _FORMATS):
            continue
        found[_KEYS.get(key, key)] = _value(key, value, f"{path}.{key}", api, depth - 1)
    if not found.get("type", "x"):
        del found["type"]
    if isinstance(found.get("properties"), dict):
        found["properties"] = _ordered(found["properties"], given.get("propertyOrdering"))
    return _or_null(found) if given.get("nullable") is True else found


def _value(key: str, value: Any, path: str, api: Api, depth: int) -> Any:
    if key == "type":
        return _type(value, path, api)
    if key in _LIMITS:
        return _number(value)
    if key in ("items", "additionalProperties") and isinstance(value, dict):
        return json_schema(value, path, api, depth)
    if key in _LISTS and isinstance(value, list):
        return [_inner(inner, f"{path}[{number}]", api, depth) for number, inner in enumerate(value)]
    if key in _MAPS and isinstance(value, dict):
        return {name: _inner(inner, f"{path}.{name}", api, depth) for name, inner in value.items()}
    return value


def _inner(value: Any, path: str, api: Api, depth: int) -> Any:
    return json_schema(value, path, api, depth) if isinstance(value, dict) else value


def _type(value: Any, path: str, api: Api) -> Any:
    """The type in lower case; empty if it is unspecified."""
    if isinstance(value, list):
        return [_type(each, path, api) for each in value]
    name = TYPE.name(value, api)
    if name is None:
        raise invalid(FieldViolation(path[:128], "must be the name of a type, such as STRING"))
    return "" if name == TYPE.zero else name.lower()


def _number(value: Any) -> Any:
    """A limit as a number: limits that count are 64 bits wide, which JSON for protobuf writes as strings."""
    try:
        number = float(value) if isinstance(value, float | str) else math.inf
    except ValueError:
        return value
    if abs(number) >= _EXACT:
        return value
    return int(number) if number.is_integer() else number


def _ordered(properties: Mapping[str, Any], order: Any) -> dict[str, Any]:
    """The properties that `order` names first, then the rest."""
    first = [name for name in order if isinstance(name, str) and name in properties] if isinstance(order, list) else []
    return {name: properties[name] for name in dict.fromkeys([*first, *properties])}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, or null."""
    kind = schema.get("type")
    if isinstance(kind, str):
        schema["type"] = [kind, "null"]
    elif "anyOf" in schema and isinstance(schema["anyOf"], list):
        schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    else:
        return {"anyOf": [schema, {"type": "null"}]} if schema else schema
    if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
        schema["enum"] = [*schema["enum"], None]
    return schema
