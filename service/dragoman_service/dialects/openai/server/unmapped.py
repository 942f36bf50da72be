"""Parameters that no field stands for: kept for the upstream, left out, or refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dragoman_service.dialects.openai.server.decoded import OpenAIRequest
from dragoman_service.dialects.openai.server.fields import unsupported

Decode = Callable[[OpenAIRequest, Any, str], None]
"""Decodes the value of the parameter that the third argument names into the request."""


def extension(decoded: OpenAIRequest, value: Any, param: str) -> None:
    """Keeps a key that has no field, because the upstream may know it."""
    decoded.extend(decoded.request.extensions, param, value, param)


def needed(*values: Any, advice: str) -> Decode:
    """Accepts only `values`, which ask for what happens anyway. Raises INVALID_FIELD for any other."""

    def decode(_: OpenAIRequest, value: Any, param: str) -> None:
        if not _among(values, value):
            raise unsupported(param, advice)

    return decode


def needless(*values: Any, advice: str) -> Decode:
    """Leaves out what is not among `values`, which ask for what happens anyway."""

    def decode(decoded: OpenAIRequest, value: Any, param: str) -> None:
        if not _among(values, value):
            decoded.leave_out(unsupported(param, advice))

    return decode


def known_to_some(*values: Any) -> Decode:
    """Ignores `values`, which ask for what happens anyway, and keeps any other as an extension."""

    def decode(decoded: OpenAIRequest, value: Any, param: str) -> None:
        if not _among(values, value):
            extension(decoded, value, param)

    return decode


def _among(values: tuple[Any, ...], value: Any) -> bool:
    return any(type(value) is type(idle) and value == idle for idle in values)
