"""Function calls and their arguments, which are objects on this wire and JSON text here."""

from __future__ import annotations

from typing import Any

import orjson
from dragoman import v1

from dragoman_service.dialects.google.gemini.enums import Api
from dragoman_service.errors import malformed_answer


def encode_call(call: v1.ToolCall, api: Api) -> dict[str, Any]:
    """A call. Only one of the APIs has ids. Raises PROVIDER_MALFORMED if the arguments are no JSON object."""
    encoded: dict[str, Any] = {"name": call.name, "args": arguments_of(call)}
    return encoded | ({"id": call.id} if call.id and api is Api.GEMINI else {})


def arguments_of(call: v1.ToolCall) -> dict[str, Any]:
    """The arguments as an object. Raises PROVIDER_MALFORMED if they are none."""
    try:
        arguments = orjson.loads(call.arguments_json or "{}")
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        raise malformed_answer(
            f"called {call.name!r} with arguments that are not a JSON object, which this API cannot express"
        )
    return arguments
