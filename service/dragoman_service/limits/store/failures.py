"""The error of a store of limits that cannot be used."""

from __future__ import annotations

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.errors import CompletionError


def unavailable() -> CompletionError:
    """LIMITS_UNAVAILABLE, to be tried again."""
    return CompletionError(
        code_pb2.UNAVAILABLE,
        v1.ERROR_REASON_LIMITS_UNAVAILABLE,
        "The store of limits cannot be used now. Try again.",
        retryable=True,
        retry_after=1.0,
    )
