"""Decodes the response format."""

from __future__ import annotations

from typing import Any

from dragoman import v1

from dragoman_service.dialects.openai.server.fields import (
    boolean,
    given,
    json_text,
    mapping,
    one_of,
    required,
    text,
    unsupported,
)


def decode_response_format(value: Any, param: str) -> v1.ResponseFormat | None:
    """The response format, None for free text. Raises INVALID_FIELD."""
    wanted = mapping(value, param)
    kind = one_of(required(wanted, "type", f"{param}."), ("text", "json_object", "json_schema"), f"{param}.type")
    known = {"type", "json_schema"} if kind == "json_schema" else {"type"}
    given(wanted, frozenset(known), param)
    match kind:
        case "json_object":
            return v1.ResponseFormat(json_object=v1.JsonObject())
        case "json_schema":
            schema = _schema(required(wanted, "json_schema", f"{param}."), f"{param}.json_schema")
            return v1.ResponseFormat(json_schema=v1.JsonSchema(schema_json=schema))
    return None


def _schema(value: Any, at: str) -> str:
    """The schema as JSON text.

    Its name means nothing to a model, and `strict` changes nothing: every answer is held to its schema.
    """
    values = given(mapping(value, at), frozenset({"name", "schema", "strict", "description"}), at)
    text(values.get("name", ""), f"{at}.name")
    boolean(values.get("strict", True), f"{at}.strict")
    if "description" in values:
        raise unsupported(f"{at}.description", "Put it into the schema as 'description'.")
    return json_text(mapping(required(values, "schema", f"{at}."), f"{at}.schema"))
