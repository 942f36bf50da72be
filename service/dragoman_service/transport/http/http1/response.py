"""Responses that a handler returns whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Response:
    """`closes`: the connection ends with it."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    closes: bool = False


def json_response(
    value: Any, status: int = 200, headers: Mapping[str, str] | None = None, *, closes: bool = False
) -> Response:
    """`value` as JSON."""
    told = {"content-type": "application/json; charset=utf-8", **(headers or {})}
    return Response(status, json.dumps(value).encode(), told, closes)


def text_response(text: str, status: int = 200) -> Response:
    """`text` as plain text."""
    return Response(status, text.encode(), {"content-type": "text/plain; charset=utf-8"})
