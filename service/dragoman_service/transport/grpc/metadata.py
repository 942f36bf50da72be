"""Reads and returns the metadata of a call.

It may be far over the limit: gRPC Core keeps to it only once the client has acknowledged the settings of the server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Fields = Sequence[tuple[str, str | bytes]]
MAX_METADATA = 16 * 1024  # bytes
FIELD_OVERHEAD = 32  # bytes that HTTP/2 counts for each field beside its name and value


def read_metadata(fields: Fields) -> tuple[int, Mapping[str, Any]]:
    """The size in bytes, and the first value of each key.

    If the number of fields alone exceeds the limit, they are not looked at: that would take a second for a million.
    """
    size = FIELD_OVERHEAD * len(fields)
    if size > MAX_METADATA:
        return size, {}
    metadata: dict[str, Any] = {}
    for key, value in fields:
        size += len(key) + len(value)
        metadata.setdefault(key, value)
    return size, metadata


async def echo(metadata: Mapping[str, Any], key: str, context: Any) -> Sequence[tuple[str, str]]:
    """Sends a value back as it came. Core decodes any bytes, and refuses to send most of them."""
    value = metadata.get(key)
    sent = [(key, value)] if isinstance(value, str) and value.isascii() and value.isprintable() else []
    if sent:
        await context.send_initial_metadata(sent)
    return sent
