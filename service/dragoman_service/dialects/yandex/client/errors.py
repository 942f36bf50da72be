"""What Yandex's service says when it fails, as our CompletionError."""

from __future__ import annotations

import re
from typing import TypeVar

from dragoman import v1
from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2, error_details_pb2
from google.rpc.status_pb2 import Status

from dragoman_service.errors import CompletionError, too_many_hops

_M = TypeVar("_M", bound=Message)
_MAX_TEXT = 300  # characters of the upstream's own words that a caller sees
_RETRY_AFTER = 1.0  # seconds, where the upstream names none
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_SECRETS = re.compile(r"\b(?:AQVN\w{8,}|t1\.\S{16,}|api-key\s+\S+|bearer\s+\S+)", re.IGNORECASE)
_CREDENTIALS = (
    code_pb2.FAILED_PRECONDITION,
    v1.ERROR_REASON_PROVIDER_CREDENTIALS,
    "The provider refused the service's own credentials. The operator has to look at them.",
)
_UNAVAILABLE = (
    code_pb2.UNAVAILABLE,
    v1.ERROR_REASON_PROVIDER_UNAVAILABLE,
    "The provider could not be reached or failed before it answered. Send the request again.",
)
_OTHERS: dict[int, tuple[code_pb2.Code, v1.ErrorReason.ValueType, str]] = {
    code_pb2.UNAUTHENTICATED: _CREDENTIALS,
    code_pb2.PERMISSION_DENIED: _CREDENTIALS,
    code_pb2.NOT_FOUND: (
        code_pb2.FAILED_PRECONDITION,
        v1.ERROR_REASON_PROVIDER_MODEL_MISSING,
        "The provider does not know the model that the service is configured for. The operator has to look at it.",
    ),
    code_pb2.UNIMPLEMENTED: (
        code_pb2.UNIMPLEMENTED,
        v1.ERROR_REASON_CAPABILITY_MISSING,
        "The provider does not have this method.",
    ),
    code_pb2.RESOURCE_EXHAUSTED: (
        code_pb2.RESOURCE_EXHAUSTED,
        v1.ERROR_REASON_PROVIDER_RATE_LIMITED,
        "The provider limits the rate of requests. Send the request again later.",
    ),
    code_pb2.DEADLINE_EXCEEDED: (
        code_pb2.UNAVAILABLE,
        v1.ERROR_REASON_PROVIDER_TIMEOUT,
        "The provider timed out. Send the request again.",
    ),
}
_REJECTED = frozenset(
    (code_pb2.INVALID_ARGUMENT, code_pb2.FAILED_PRECONDITION, code_pb2.OUT_OF_RANGE, code_pb2.ALREADY_EXISTS)
)
_RETRYABLE = frozenset((code_pb2.UNAVAILABLE, code_pb2.RESOURCE_EXHAUSTED))


def error_of_status(status: Status) -> CompletionError:
    """The error of a call that failed, or of an operation."""
    known = code_pb2.Code.values()
    metadata = {"upstream_status": code_pb2.Code.Name(status.code) if status.code in known else str(status.code)}
    if _detail(status, error_details_pb2.ErrorInfo).reason == too_many_hops().reason_name:
        return too_many_hops().with_metadata(**metadata)
    if status.code in _REJECTED:
        said = _sanitised(status.message)
        message = f"The provider refused the request{': ' + said if said else ' and did not say why.'}"
        return CompletionError(code_pb2.INVALID_ARGUMENT, v1.ERROR_REASON_PROVIDER_REJECTED, message, metadata=metadata)
    code, reason, message = _OTHERS.get(status.code, _UNAVAILABLE)
    retryable = code in _RETRYABLE
    wait = _retry_after(status) if retryable else None
    return CompletionError(code, reason, message, retryable=retryable, retry_after=wait, metadata=metadata)


def too_late(seconds: float) -> CompletionError:
    """PROVIDER_TIMEOUT: no first piece."""
    return CompletionError(
        code_pb2.UNAVAILABLE,
        v1.ERROR_REASON_PROVIDER_TIMEOUT,
        f"The provider sent nothing for {seconds:g} s. Send the request again.",
        retryable=True,
        retry_after=_RETRY_AFTER,
    )


def fell_silent(seconds: float) -> CompletionError:
    """PROVIDER_IDLE: no further piece."""
    return CompletionError(
        code_pb2.UNAVAILABLE,
        v1.ERROR_REASON_PROVIDER_IDLE,
        f"The provider began its answer and then sent nothing for {seconds:g} s. What came is not the whole answer.",
    )


def _sanitised(text: str) -> str:
    """The upstream's words as one line without anything that looks like a key."""
    shown = _SECRETS.sub("…", _CONTROL.sub(" ", text)).strip()
    return shown if len(shown) <= _MAX_TEXT else shown[: _MAX_TEXT - 1] + "…"


def _retry_after(status: Status) -> float:
    told = _detail(status, error_details_pb2.RetryInfo)
    return told.retry_delay.seconds + told.retry_delay.nanos / 1e9 if told.HasField("retry_delay") else _RETRY_AFTER


def _detail(status: Status, kind: type[_M]) -> _M:
    """The detail of that kind, empty if there is none that can be read."""
    told = kind()
    try:
        _ = any(detail.Unpack(told) for detail in status.details)
    except DecodeError:
        return kind()
    return told
