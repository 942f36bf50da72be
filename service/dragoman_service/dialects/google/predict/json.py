"""REST bodies: the JSON form of the wire twins."""

from __future__ import annotations

from typing import Any

import orjson
from google.protobuf import json_format
from google.protobuf.message import Message


def encode(message: Message) -> bytes:
    """A message, with names in camelCase and without fields that are not set."""
    tree: dict[str, Any] = json_format.MessageToDict(message)
    return orjson.dumps(tree)
