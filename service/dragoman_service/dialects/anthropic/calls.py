"""The arguments of tool calls, which are objects on this wire and JSON text here."""

from __future__ import annotations

from typing import Any

import orjson

from dragoman_service.errors import CompletionError, malformed_answer


def arguments_in(text: str) -> dict[str, Any] | None:
    """The arguments as an object, None if they are none. Without text there are none to give."""
    try:
        arguments = orjson.loads(text or "{}")
    except ValueError:
        return None
    return arguments if isinstance(arguments, dict) else None


def inexpressible(name: str) -> CompletionError:
    """PROVIDER_MALFORMED, because the arguments of a call are not an object."""
    return malformed_answer(f"called {name!r} with arguments that are not a JSON object, which this API cannot express")
