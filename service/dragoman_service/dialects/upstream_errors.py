"""The errors of upstreams: what each failure means to a caller, and how much of the upstream's text they may see."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from dragoman import v1
from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2, error_details_pb2
from google.rpc.status_pb2 import Status

from dragoman_service.errors import DEFAULT_RETRY_AFTER, CompletionError, too_many_hops

_M = TypeVar("_M", bound=Message)

SAYS = " The provider says: "
_MAX_TEXT = 300  # characters of the upstream's text that a caller sees
_MAX_DELAY = 24 * 3600.0  # seconds
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_KEYS = re.compile(
    r"\b(?:(?:sk|pk|rk|key|gsk|hf|r8|xai|nvapi|tgp|fw|ghp)[-_][\w*-]{6,}|AIza[\w-]{8,}|eyJ[\w.-]{16,}"
    r"|AQVN\w{8,}|t1\.\S{16,}|(?:bearer|api-key)\s+\S+)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class UpstreamFailure:
    """One kind of failure."""

    code: code_pb2.Code
    reason: v1.ErrorReason.ValueType
    message: str
    retryable: bool = False

    def error(
        self, upstream_status: str = "", retry_after: float | None = None, words: object = None
    ) -> CompletionError:
        """The failure as an error.

        `upstream_status` is the HTTP status or the name of the gRPC code, empty if the upstream sent none.
        `retry_after` is the delay in seconds that the upstream asks for, DEFAULT_RETRY_AFTER if None. `words` is the
        upstream's own text, which is added to the message.
        """
        wait = (DEFAULT_RETRY_AFTER if retry_after is None else retry_after) if self.retryable else None
        metadata = {"upstream_status": upstream_status} if upstream_status else {}
        message = with_words(self.message, sanitised(words))
        return CompletionError(
            self.code, self.reason, message, retryable=self.retryable, retry_after=wait, metadata=metadata
        )


CREDENTIALS = UpstreamFailure(
    code_pb2.FAILED_PRECONDITION,
    v1.ERROR_REASON_PROVIDER_CREDENTIALS,
    "The provider rejected the credentials of this service. Its operator must correct them.",
)
QUOTA = UpstreamFailure(
    code_pb2.FAILED_PRECONDITION,
    v1.ERROR_REASON_PROVIDER_QUOTA,
    "This service's account with the provider has no credit or quota left. Its operator must renew it.",
)
MODEL_MISSING = UpstreamFailure(
    code_pb2.FAILED_PRECONDITION,
    v1.ERROR_REASON_PROVIDER_MODEL_MISSING,
    "The provider does not know the model that this service is configured for. Its operator must correct the settings.",
)
METHOD_MISSING = UpstreamFailure(
    code_pb2.UNIMPLEMENTED, v1.ERROR_REASON_CAPABILITY_MISSING, "The provider does not implement this method."
)
TIMEOUT = UpstreamFailure(
    code_pb2.UNAVAILABLE,
    v1.ERROR_REASON_PROVIDER_TIMEOUT,
    "The provider timed out. Send the request again.",
    retryable=True,
)
RATE_LIMITED = UpstreamFailure(
    code_pb2.RESOURCE_EXHAUSTED,
    v1.ERROR_REASON_PROVIDER_RATE_LIMITED,
    "The provider limits the rate of requests. Send the request again later.",
    retryable=True,
)
UNAVAILABLE = UpstreamFailure(
    code_pb2.UNAVAILABLE,
    v1.ERROR_REASON_PROVIDER_UNAVAILABLE,
    "The provider could not be reached or failed before it answered. Send the request again.",
    retryable=True,
)

_BY_HTTP_STATUS: Mapping[int, UpstreamFailure] = {
    401: CREDENTIALS,
    402: QUOTA,
    403: CREDENTIALS,
    404: MODEL_MISSING,
    408: TIMEOUT,
    409: UNAVAILABLE,
    429: RATE_LIMITED,
}
_REJECTED = (code_pb2.INVALID_ARGUMENT, code_pb2.FAILED_PRECONDITION, code_pb2.OUT_OF_RANGE, code_pb2.ALREADY_EXISTS)
_BY_GRPC_CODE: Mapping[int, UpstreamFailure | None] = {
    code_pb2.UNAUTHENTICATED: CREDENTIALS,
    code_pb2.PERMISSION_DENIED: CREDENTIALS,
    code_pb2.NOT_FOUND: MODEL_MISSING,
    code_pb2.UNIMPLEMENTED: METHOD_MISSING,
    code_pb2.DEADLINE_EXCEEDED: TIMEOUT,
    code_pb2.RESOURCE_EXHAUSTED: RATE_LIMITED,
    **dict.fromkeys(_REJECTED),
}


def failure_of_http_status(status: int) -> UpstreamFailure | None:
    """The failure that an HTTP status from 400 stands for; None if it rejects the request: see `rejected`."""
    return UNAVAILABLE if status >= 500 else _BY_HTTP_STATUS.get(status)


def failure_of_grpc_code(code: int) -> UpstreamFailure | None:
    """The failure that a gRPC code stands for; None if it rejects the request: see `rejected`."""
    return _BY_GRPC_CODE.get(code, UNAVAILABLE)


def error_of_status(status: Status) -> CompletionError:
    """The error of a call that failed, or of an operation."""
    name = code_pb2.Code.Name(status.code) if status.code in code_pb2.Code.values() else str(status.code)
    if detail_of(status, error_details_pb2.ErrorInfo).reason == too_many_hops().reason_name:
        return too_many_hops().with_metadata(upstream_status=name)
    failure = failure_of_grpc_code(status.code)
    if failure is None:
        return rejected(status.message, name)
    return failure.error(name, _retry_after(status), status.message)


def detail_of(status: Status, kind: type[_M]) -> _M:
    """The first detail of `status` of that type, empty if there is none or it cannot be parsed."""
    found = kind()
    try:
        _ = any(detail.Unpack(found) for detail in status.details)
    except DecodeError:
        return kind()
    return found


def rejected(text: object, upstream_status: str) -> CompletionError:
    """PROVIDER_REJECTED with the upstream's own `text`, because the caller has to change the request."""
    reason = sanitised(text)
    message = (
        f"The provider rejected the request: {reason}"
        if reason
        else "The provider rejected the request without giving a reason."
    )
    return CompletionError(
        code_pb2.INVALID_ARGUMENT,
        v1.ERROR_REASON_PROVIDER_REJECTED,
        message,
        metadata={"upstream_status": upstream_status},
    )


def with_words(message: str, words: str) -> str:
    """`message`, and after it the `words` of the upstream, if there are any."""
    return f"{message}{SAYS}{words}" if words else message


def words_of(message: str) -> str:
    """The upstream's words in `message`, empty without them."""
    return message.partition(SAYS)[2]


def sanitised(text: object) -> str:
    """The upstream's `text` as one short line without anything that looks like a key; empty if it is not a string."""
    shown = _KEYS.sub("…", _CONTROL.sub(" ", text)).strip() if isinstance(text, str) else ""
    return shown if len(shown) <= _MAX_TEXT else shown[: _MAX_TEXT - 1] + "…"


def seconds_of(delay: object) -> float | None:
    """The seconds after which an upstream wants to be asked again; None if that is no number from 0 to a day."""
    try:
        seconds = float(delay) if isinstance(delay, str | int | float) else -1.0
    except ValueError:
        return None
    return seconds if 0 <= seconds <= _MAX_DELAY else None


def _retry_after(status: Status) -> float | None:
    """The delay in seconds that RetryInfo asks for; None without one."""
    info = detail_of(status, error_details_pb2.RetryInfo)
    return info.retry_delay.seconds + info.retry_delay.nanos / 1e9 if info.HasField("retry_delay") else None
