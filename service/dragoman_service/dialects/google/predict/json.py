"""REST bodies of predictions, read and written as plain values."""

from __future__ import annotations

from typing import Any

import orjson
from google.protobuf import json_format
from google.protobuf.message import Message

from dragoman_service.dialects.google.keys import camel_case
from dragoman_service.errors import malformed_request


def encode(message: Message) -> bytes:
    """A message, with names in camelCase and without fields that are not set."""
    tree: dict[str, Any] = json_format.MessageToDict(message)
    return orjson.dumps(tree)


def body_of(raw: bytes) -> dict[str, Any]:
    """The object in a request's body, with its keys in camelCase. Raises MALFORMED_REQUEST."""
    try:
        tree = orjson.loads(raw)
    except orjson.JSONDecodeError as wrong:
        raise malformed_request(f"The body is not valid JSON: {wrong}.") from None
    if not isinstance(tree, dict):
        raise malformed_request("The body must be a JSON object.")
    return {camel_case(key): value for key, value in tree.items()}
