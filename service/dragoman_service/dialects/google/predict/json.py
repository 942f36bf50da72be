"""REST bodies of predictions, read as plain values."""

from __future__ import annotations

from typing import Any

from dragoman_service.dialects.google.keys import camel_case
from dragoman_service.dialects.message_json import json_object


def body_of(raw: bytes) -> dict[str, Any]:
    """The object in a request's body, with its keys in camelCase. Raises MALFORMED_REQUEST."""
    return {camel_case(key): value for key, value in json_object(raw).items()}
