"""Decodes the response format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman import v1

from dragoman_service.dialects.openai.server.decoded import OpenAIRequest
from dragoman_service.dialects.openai.server.fields import boolean, json_text, mapping, one_of, required, text

_NAMELESS = "answer"  # the name that our own client gives a schema without one, since OpenAI requires a name
_SCHEMA = frozenset({"name", "schema", "strict", "description"})


def decode_response_format(decoded: OpenAIRequest, value: Any, param: str) -> v1.ResponseFormat | None:
    """The response format, None for free text. Raises INVALID_FIELD.

    Some vendors have the schema beside `json_object`, or beside the type in place of an object of its own.
    """
    wanted = mapping(value, param)
    kind = one_of(required(wanted, "type", f"{param}."), ("text", "json_object", "json_schema"), f"{param}.type")
    known = {"text": frozenset[str](), "json_object": frozenset({"schema"}), "json_schema": _SCHEMA | {"json_schema"}}
    values = decoded.given(wanted, known[kind] | {"type"}, param)
    if kind == "json_schema":
        if "json_schema" not in values and "schema" in values:
            return _schema(decoded, {key: values[key] for key in values if key != "type"}, param)
        given = mapping(required(values, "json_schema", f"{param}."), f"{param}.json_schema")
        return _schema(decoded, given, f"{param}.json_schema")
    if "schema" in values:
        return _schema(decoded, {"schema": values["schema"]}, param)
    return v1.ResponseFormat(json_object=v1.JsonObject()) if kind == "json_object" else None


def _schema(decoded: OpenAIRequest, given: Mapping[str, Any], at: str) -> v1.ResponseFormat:
    """The schema with its name, its description and whether it is strict, which it is not by default."""
    values = decoded.given(given, _SCHEMA, at)
    if "schema" not in values:  # a name alone
        return v1.ResponseFormat(json_object=v1.JsonObject())
    schema = v1.JsonSchema(
        schema_json=json_text(mapping(values["schema"], f"{at}.schema")),
        name=text(values.get("name", ""), f"{at}.name"),
        description=text(values.get("description", ""), f"{at}.description"),
    )
    if schema.name == _NAMELESS:
        schema.name = ""
    if not boolean(values.get("strict", False), f"{at}.strict"):
        schema.strict = False  # absent means strict
    return v1.ResponseFormat(json_schema=schema)
