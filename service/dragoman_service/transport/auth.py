"""Authentication by API key. The service knows only the SHA-256 of each key."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.contract import CompletionError
from dragoman_service.settings.access import AccessSettings, Scope

ANONYMOUS = "anonymous"
SCHEMES = ("bearer", "api-key")
KEY_HEADERS = ("x-api-key", "x-goog-api-key")
"""Headers, or gRPC metadata, that hold a bare key. They count where there is no `authorization`."""


def credential(headers: Mapping[str, str], bare: str = "") -> str:
    """What a caller authenticates with, as a value of `authorization`; empty if it sent nothing.

    `bare` is a key from elsewhere, which counts if no header holds one.
    """
    given = headers.get("authorization", "")
    key = bare if given else next((headers[name] for name in KEY_HEADERS if headers.get(name)), bare)
    return given or (f"Bearer {key}" if key else "")


class Auth:
    """Finds the caller by the value of the `authorization` header: `Bearer KEY` or `Api-Key KEY`.

    `anonymous`: a call without the header is allowed. Without any keys in the settings, every call is anonymous.
    """

    def __init__(self, settings: AccessSettings, *, anonymous: bool) -> None:
        self._callers = {bytes.fromhex(key.sha256): key.id for key in settings.keys}
        self._anonymous = anonymous
        self._open_metrics = settings.open_metrics
        self._unguarded = not settings.keys and not settings.anonymous
        self._scopes = {key.id: key.scopes for key in settings.keys}
        self.teams: Mapping[str, str] = {key.id: key.team for key in settings.keys if key.team}
        """The team of each caller that has one."""
        self.allowed: Mapping[str, tuple[str, ...]] = {key.id: key.models for key in settings.keys if key.models}
        """Patterns of the models that a caller may use, by caller. A caller without an entry may use every model."""
        self.unlisted: frozenset[str] = frozenset() if settings.anonymous_listing else frozenset((ANONYMOUS,))
        """Callers that are many people, who must not see what the others have done."""

    def caller(self, authorization: str) -> str:
        """Returns the id of the key, or `anonymous`. Raises UNAUTHENTICATED."""
        if not self._callers or (self._anonymous and not authorization):
            return ANONYMOUS
        if not authorization:
            raise _unauthenticated(v1.ERROR_REASON_CREDENTIALS_MISSING)
        scheme, _, key = authorization.partition(" ")
        caller = self._callers.get(hashlib.sha256(key.strip().encode(errors="surrogateescape")).digest())
        if scheme.lower() not in SCHEMES or caller is None:
            raise _unauthenticated(v1.ERROR_REASON_CREDENTIALS_INVALID)
        return caller

    def has_scope(self, caller: str, scope: Scope) -> bool:
        """Whether the caller may do what the scope is for. A service without keys and without `access.anonymous`
        listens on loopback only, so that everybody who reaches it may do everything."""
        return self._unguarded or scope in self._scopes.get(caller, ())

    def check_scope(self, caller: str, scope: Scope) -> None:
        """Raises SCOPE_MISSING if the caller's key lacks the scope."""
        if not self.has_scope(caller, scope):
            raise CompletionError(
                code_pb2.PERMISSION_DENIED,
                v1.ERROR_REASON_SCOPE_MISSING,
                f"Your API key lacks the scope {scope}. The operator can add it to the key in the settings.",
                metadata={"scope": scope},
            )

    def check_metrics(self, authorization: str) -> None:
        """Raises UNAUTHENTICATED, or PERMISSION_DENIED for a caller who may not use every model: metrics name all."""
        if self._open_metrics or self.caller(authorization) not in self.allowed:
            return
        raise CompletionError(
            code_pb2.PERMISSION_DENIED,
            v1.ERROR_REASON_MODEL_NOT_ALLOWED,
            "The metrics name all models, and your API key may use some. Send a key that has no `models`.",
        )


def _unauthenticated(reason: v1.ErrorReason.ValueType) -> CompletionError:
    return CompletionError(
        code_pb2.UNAUTHENTICATED,
        reason,
        "Send a valid API key as HTTP header or gRPC metadata: `authorization: Bearer KEY`.",
    )
