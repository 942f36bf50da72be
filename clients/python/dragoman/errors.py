"""Exceptions for failed calls and operations, with every detail that the service reported.

DragomanError
├── InvalidArgumentError      fields are invalid, or the model does not support them: see `fields`
├── UnauthenticatedError      the API key is missing or unknown
├── PermissionDeniedError     the API key does not allow the model
├── NotFoundError             the model or the operation does not exist
├── AlreadyExistsError        another request has the same `request_id`, or another operation the same `operation_id`
├── FailedPreconditionError   the service's own configuration or its account at the provider is at fault
├── OutOfRangeError
├── UnimplementedError        the model's provider does not support the method
├── ResourceExhaustedError    the request is too large, or there are too many of them: see `retry_after`
├── UnavailableError          the service or the provider is unavailable at the moment
│   └── BrokenStreamError     a stream ended without `finished`, so the answer is incomplete
├── DeadlineExceededError     the timeout passed before the answer was complete
├── CancelledError            the call or the operation was cancelled
├── AbortedError              the operation lost too many workers, or a stream was not read
├── InternalError             the service or the provider has a fault
├── DataLossError
└── UnknownError
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, cast

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, QuotaFailure, RetryInfo
from google.rpc.status_pb2 import Status

DOMAIN = "dragoman"
_DETAILS_KEY = "grpc-status-details-bin"


class FieldViolation(NamedTuple):
    """An invalid field: its path in the request, and what is allowed there."""

    field: str
    description: str


class QuotaViolation(NamedTuple):
    """A limit that is used up: what it limits, and the limit in words."""

    subject: str
    description: str


class DragomanError(Exception):
    """A call or an operation failed.

    `code` is the gRPC status code and `message` the human-readable reason. `reason` is a name of `v1.ErrorReason`
    without its prefix, such as "MODEL_NOT_FOUND"; it is empty if the failure did not come from the service, for example
    if the connection was refused. `fields` lists the invalid fields. `retry_after` is in seconds; None if the service
    did not say. `quota` lists the limits that are used up. `metadata` holds `call_id`, `retryable` and, where they
    apply, `model`, `provider` and `upstream_status`.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        reason: str = "",
        fields: Sequence[FieldViolation] = (),
        retry_after: float | None = None,
        metadata: Mapping[str, str] | None = None,
        quota: Sequence[QuotaViolation] = (),
    ) -> None:
        super().__init__(
            code, message, reason, fields, retry_after, metadata, quota
        )  # all arguments, so that errors can be pickled
        self.code = code
        self.message = message
        self.reason = reason
        self.fields = tuple(fields)
        self.retry_after = retry_after
        self.metadata = dict(metadata or {})
        self.quota = tuple(quota)
        self.connection_lost = False
        """Whether the connection failed rather than the call: a proxy or gRPC itself made the status."""

    @property
    def transient(self) -> bool:
        """Whether the same call may succeed a moment later."""
        unavailable = isinstance(self, UnavailableError) and self.metadata.get("retryable") != "false"
        return self.connection_lost or unavailable

    @property
    def call_id(self) -> str:
        """Id of the failed call in the service's log; empty if the failure did not come from the service."""
        return self.metadata.get("call_id", "")

    def __str__(self) -> str:
        call = f", call {self.call_id}" if self.call_id else ""
        return f"{self.message} ({self.reason or self.code.name}{call})"


class InvalidArgumentError(DragomanError): ...


class UnauthenticatedError(DragomanError): ...


class PermissionDeniedError(DragomanError): ...


class NotFoundError(DragomanError): ...


class AlreadyExistsError(DragomanError): ...


class FailedPreconditionError(DragomanError): ...


class OutOfRangeError(DragomanError): ...


class UnimplementedError(DragomanError): ...


class ResourceExhaustedError(DragomanError): ...


class UnavailableError(DragomanError): ...


class BrokenStreamError(UnavailableError): ...


class DeadlineExceededError(DragomanError): ...


class CancelledError(DragomanError): ...


class AbortedError(DragomanError): ...


class InternalError(DragomanError): ...


class DataLossError(DragomanError): ...


class UnknownError(DragomanError): ...


_CODES = {code.value[0]: code for code in grpc.StatusCode}
_TYPES: dict[grpc.StatusCode, type[DragomanError]] = {
    grpc.StatusCode.CANCELLED: CancelledError,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgumentError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExistsError,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhaustedError,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPreconditionError,
    grpc.StatusCode.ABORTED: AbortedError,
    grpc.StatusCode.OUT_OF_RANGE: OutOfRangeError,
    grpc.StatusCode.UNIMPLEMENTED: UnimplementedError,
    grpc.StatusCode.INTERNAL: InternalError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.DATA_LOSS: DataLossError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
}
# Proxies end streams with INTERNAL or CANCELLED, and gRPC makes UNKNOWN of what a proxy answers itself. The service
# attaches its reason to each of its errors.
_LOST = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.CANCELLED}
_LEFT = ("Channel closed", "Locally cancelled by application")  # in the details of calls that the client ended
_MESSAGES = {
    grpc.StatusCode.UNAVAILABLE: "Cannot reach {target}: {details}. "
    "Check that the service runs there, that the address is right, and that both sides use TLS or neither does.",
    grpc.StatusCode.DEADLINE_EXCEEDED: "No answer from {target} in time: {details}. "
    "Allow more time, or check that the service can be reached.",
    grpc.StatusCode.UNIMPLEMENTED: "{target} does not have this method: {details}. "
    "Check that it runs a version of the service that fits this client.",
}


def from_rpc_error(error: grpc.RpcError, target: str) -> DragomanError:
    """The error of a call to `target`, with the details that the service attached to it."""
    status = _attached(error)
    if status is not None:
        return from_status(status)
    code = error.code()
    details = (error.details() or "no details").rpartition("; last error: ")[2].rstrip(".!")
    message = _MESSAGES.get(code, "{target} answered: {details}.").format(target=target, details=details)
    raised = _type_of(code)(code, message)
    raised.connection_lost = code in _LOST and not any(text in message for text in _LEFT)
    return raised


def from_status(status: Status) -> DragomanError:
    """The error that a google.rpc.Status describes, such as the `error` of an operation."""
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    info, retry, bad, quota = ErrorInfo(), RetryInfo(), BadRequest(), QuotaFailure()
    known = {message.DESCRIPTOR.full_name: message for message in (info, retry, bad, quota)}
    for detail in status.details:
        _unpack(detail.value, known.get(detail.TypeName()))
    if info.domain != DOMAIN:
        info.Clear()
    return _type_of(code)(
        code,
        status.message,
        info.reason,
        tuple(FieldViolation(violation.field, violation.description) for violation in bad.field_violations),
        retry.retry_delay.ToTimedelta().total_seconds() if retry.HasField("retry_delay") else None,
        dict(info.metadata),
        tuple(QuotaViolation(violation.subject, violation.description) for violation in quota.violations),
    )


def interrupted_stream(details: str) -> BrokenStreamError:
    """The error of a stream that ended before its answer was complete."""
    message = f"The stream ended without `finished`: {details}. The answer is incomplete; send the request again."
    return BrokenStreamError(grpc.StatusCode.UNAVAILABLE, message)


def interrupted_operation(name: str, last: int, details: str) -> BrokenStreamError:
    """The error of an operation's event stream that ended after event number `last`; the operation itself continues."""
    message = (
        f"The events of {name} ended after number {last}: {details}. "
        "The operation continues; attach again after that number."
    )
    return BrokenStreamError(grpc.StatusCode.UNAVAILABLE, message)


def _type_of(code: grpc.StatusCode) -> type[DragomanError]:
    return _TYPES.get(code, UnknownError)


def _attached(error: grpc.RpcError) -> Status | None:
    """The status in the trailers; None if there is none, or if its code differs from that of the call."""
    trailers = cast("Iterable[tuple[str, bytes]]", error.trailing_metadata() or ())
    data = next((value for key, value in trailers if key == _DETAILS_KEY), None)
    if data is None:
        return None
    status = Status()
    _unpack(data, status)
    return status if status.code == error.code().value[0] else None


def _unpack(data: bytes, message: Message | None) -> None:
    if message is None:
        return
    try:
        message.ParseFromString(data)
    except DecodeError:
        message.Clear()  # a proxy may truncate trailers; code and message are still useful without details
