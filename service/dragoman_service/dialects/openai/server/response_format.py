"""The form that an answer is to have, as this dialect asks for it, in our words."""

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


def response_format(value: Any, param: str) -> v1.ResponseFormat | None:
    """The form of the answer, None for free text. Raises INVALID_FIELD."""
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
    """The schema. Its name is for people, and `strict` asks for what is done anyway: the answer is held to it."""
    values = given(mapping(value, at), frozenset({"name", "schema", "strict", "description"}), at)
    text(values.get("name", ""), f"{at}.name")
    boolean(values.get("strict", True), f"{at}.strict")
    if "description" in values:
        raise unsupported(f"{at}.description", "Write it into the schema, as its own 'description'.")
    return json_text(mapping(required(values, "schema", f"{at}."), f"{at}.schema"))
