"""What can go wrong, as exceptions that keep what the service said.

DragomanError
├── InvalidArgumentError      fields are wrong, or the model cannot honour them: see `fields`
├── UnauthenticatedError      no API key, or one that is not known
├── PermissionDeniedError     the key may not use the model
├── NotFoundError             no such model or operation
├── AlreadyExistsError        another request has the `request_id`, or another operation the `operation_id`
├── FailedPreconditionError   the service's own account with the provider is at fault
├── OutOfRangeError
├── UnimplementedError        the model's provider lacks the method
├── ResourceExhaustedError    too large, or too many: see `retry_after`
├── UnavailableError          the service or the provider cannot be reached now
│   └── BrokenStreamError     a stream ended before its `finished`: what came is not the answer
├── DeadlineExceededError     the time was over before the answer was there
├── CancelledError            the call or the operation was cancelled
├── AbortedError              given up, as often as it may be tried
├── InternalError             a fault of the service or of the provider
├── DataLossError
└── UnknownError
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, cast

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

DOMAIN = "dragoman"
_DETAILS_KEY = "grpc-status-details-bin"


class FieldViolation(NamedTuple):
    """One wrong field: its path from the request, and what is allowed there."""

    field: str
    description: str


class DragomanError(Exception):
    """A call or an operation failed.

    `reason` is a name of `v1.ErrorReason` without its prefix, as in "MODEL_NOT_FOUND"; empty if the failure is not
    the service's own, such as a connection that was refused. `retry_after` is in seconds, None if the service did not
    say. `metadata` is what the service tells besides: `call_id`, `retryable`, and where they apply `model` and
    `provider`.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        reason: str = "",
        fields: Sequence[FieldViolation] = (),
        retry_after: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code, message, reason, fields, retry_after, metadata)  # all of it: errors can be pickled
        self.code = code
        self.message = message
        self.reason = reason
        self.fields = tuple(fields)
        self.retry_after = retry_after
        self.metadata = dict(metadata or {})

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
_FOREIGN = {
    grpc.StatusCode.UNAVAILABLE: "Cannot reach {target}: {details}. "
    "Does the service run there, is the address right, and do both sides use TLS or neither?",
    grpc.StatusCode.DEADLINE_EXCEEDED: "No answer from {target} in time: {details}. "
    "Allow more time, or check that the service can be reached.",
    grpc.StatusCode.UNIMPLEMENTED: "{target} does not know this method: {details}. Is it this version of the service?",
}


def of_rpc(error: grpc.RpcError, target: str) -> DragomanError:
    """The error of a call to `target`, with all that the service attached to it."""
    status = _attached(error)
    if status is not None:
        return of_status(status)
    code = error.code()
    details = (error.details() or "no details").rpartition("; last error: ")[2].rstrip(".!")
    message = _FOREIGN.get(code, "{target} answered: {details}.").format(target=target, details=details)
    return _type_of(code)(code, message)


def of_status(status: Status) -> DragomanError:
    """The error that a google.rpc.Status tells of, as in the `error` of an operation."""
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    info, retry, bad = ErrorInfo(), RetryInfo(), BadRequest()
    known = {message.DESCRIPTOR.full_name: message for message in (info, retry, bad)}
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
    )


def broken_stream(details: str) -> BrokenStreamError:
    """A stream that is no answer, since its end is missing."""
    message = f"The stream ended without `finished`: {details}. What came is not the answer; send the request again."
    return BrokenStreamError(grpc.StatusCode.UNAVAILABLE, message)


def broken_operation(name: str, last: int, details: str) -> BrokenStreamError:
    """The events of an operation that were read up to number `last`; the operation itself goes on."""
    message = f"The events of {name} broke off after number {last}: {details}. It goes on: attach again from there."
    return BrokenStreamError(grpc.StatusCode.UNAVAILABLE, message)


def _type_of(code: grpc.StatusCode) -> type[DragomanError]:
    return _TYPES.get(code, UnknownError)


def _attached(error: grpc.RpcError) -> Status | None:
    """The status among the trailers; None if there is none, or one that contradicts the call's own code."""
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
        message.Clear()  # an intermediary may cut trailers; the code and the message are worth more than its details
