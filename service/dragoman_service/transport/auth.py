"""Who calls: API keys, known to the service only by their SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.contract import CompletionError
from dragoman_service.settings.settings import AccessSettings

ANONYMOUS = "anonymous"
SCHEMES = ("bearer", "api-key")


class Auth:
    """Tells the caller from the value of an `authorization` header: `Bearer KEY` or `Api-Key KEY`."""

    def __init__(self, settings: AccessSettings, *, anonymous: bool) -> None:
        self._callers = {bytes.fromhex(key.sha256): key.id for key in settings.keys}
        self._anonymous = anonymous
        self.allowed: Mapping[str, tuple[str, ...]] = {key.id: key.models for key in settings.keys if key.models}

    def caller(self, authorization: str) -> str:
        """The id of the key, or `anonymous`. Raises UNAUTHENTICATED."""
        if not self._callers or (self._anonymous and not authorization):
            return ANONYMOUS
        if not authorization:
            raise _unauthenticated(v1.ERROR_REASON_CREDENTIALS_MISSING)
        scheme, _, key = authorization.partition(" ")
        caller = self._callers.get(hashlib.sha256(key.strip().encode(errors="surrogateescape")).digest())
        if scheme.lower() not in SCHEMES or caller is None:
            raise _unauthenticated(v1.ERROR_REASON_CREDENTIALS_INVALID)
        return caller


def _unauthenticated(reason: v1.ErrorReason.ValueType) -> CompletionError:
    return CompletionError(
        code_pb2.UNAUTHENTICATED,
        reason,
        "Send a valid API key as HTTP header or gRPC metadata: `authorization: Bearer KEY`.",
    )
