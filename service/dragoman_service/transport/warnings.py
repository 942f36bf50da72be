"""What was left out of a request: in a header, in trailing metadata, and in the log line of the call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grpc import aio

from dragoman_service.transport.call_context import CallContext, call_context

WARNING = "x-dragoman-warning"
"""The response header, or the key of trailing metadata, that names what was left out."""
_LONGEST = 1000  # characters; proxies limit the size of all headers

Warnings = Sequence[tuple[str, str]]
"""Name and reason of each part that was left out."""


def warning_text(warnings: Warnings) -> str:
    """The value of the header: visible ASCII and spaces, not too long."""
    text = "; ".join(f"{name}: {reason}" for name, reason in warnings)
    shown = "".join(letter if " " <= letter <= "~" else "?" for letter in text[: _LONGEST + 1])
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 3]}..."


def tell_warnings(call: CallContext, warnings: Warnings) -> None:
    """Adds the header to what the caller is told beside the answer, and the names to the log line of the call."""
    if warnings:
        call.headers[WARNING] = warning_text(warnings)
        call.record.left_out = ", ".join(name for name, _ in warnings)


def warn_in_trailers(context: aio.ServicerContext[Any, Any], warnings: Warnings) -> None:
    """Tells the caller of a gRPC method, whose answer has no place for it."""
    tell_warnings(call_context(context), warnings)
