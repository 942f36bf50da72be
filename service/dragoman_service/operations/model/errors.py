"""The errors of operations."""

from __future__ import annotations

from dragoman import v1
from google.rpc import code_pb2, error_details_pb2
from google.rpc.status_pb2 import Status

from dragoman_service.contract import CompletionError, FieldViolation, invalid

_REASONS = frozenset(v1.ErrorReason.keys())


class OperationStoreError(RuntimeError):
    """Why the ledger cannot be opened, for the operator."""


def not_found(name: str) -> CompletionError:
    """No such operation; the same whether it never was, has expired or is another caller's."""
    return CompletionError(
        code_pb2.NOT_FOUND,
        v1.ERROR_REASON_OPERATION_NOT_FOUND,
        f"There is no operation {name[:128]!r}, or it has expired. ListOperations shows yours.",
        resource=name,
    )


def unavailable() -> CompletionError:
    """The store cannot be read or written now."""
    return CompletionError(
        code_pb2.UNAVAILABLE,
        v1.ERROR_REASON_OPERATIONS_UNAVAILABLE,
        "The store of operations cannot be read or written now. Try again; whole and streamed completions still work.",
        retryable=True,
        retry_after=1.0,
    )


def cancelled() -> CompletionError:
    """CancelOperation stopped it."""
    return CompletionError(code_pb2.CANCELLED, v1.ERROR_REASON_CANCELLED, "The operation was cancelled.")


def worker_lost(attempts: int) -> CompletionError:
    """Workers died or stood still while they were at it, as often as it may be tried."""
    return CompletionError(
        code_pb2.ABORTED,
        v1.ERROR_REASON_WORKER_LOST,
        f"The operation was tried {attempts} times, and each time its worker was lost. Start it again.",
        retryable=True,
    )


def internal(operation_id: str) -> CompletionError:
    """A fault of ours; the log tells more."""
    return CompletionError(
        code_pb2.INTERNAL,
        v1.ERROR_REASON_INTERNAL,
        f"A fault of the service. Its log tells more under the operation {operation_id}.",
    )


def request_id_reused(request_id: str) -> CompletionError:
    """Another request of the caller has it."""
    return CompletionError(
        code_pb2.ALREADY_EXISTS,
        v1.ERROR_REASON_REQUEST_ID_REUSED,
        f"Another request of yours has the request_id {request_id!r}. Choose a new one for each request.",
    )


def exists(name: str) -> CompletionError:
    """Another operation of the caller has the name."""
    return CompletionError(
        code_pb2.ALREADY_EXISTS,
        v1.ERROR_REASON_OPERATION_EXISTS,
        f"There is an operation {name!r} of yours already. Choose another operation_id, or delete it first.",
        resource=name,
    )


def beyond(newest: int) -> CompletionError:
    """A cursor that no reader of the operation can have got."""
    said = f"the operation has {newest} events so far; should be the number of the last one that you have read"
    return invalid(FieldViolation("after_sequence", said))


def reading_over(name: str) -> CompletionError:
    """The time of a reader is over; the operation goes on."""
    return CompletionError(
        code_pb2.DEADLINE_EXCEEDED,
        v1.ERROR_REASON_DEADLINE,
        f"The deadline passed before {name} was finished. It goes on: attach to it, or send the request again.",
    )


class StoredError(CompletionError):
    """The error of an operation, as it is stored: its status is the same for everybody who asks."""

    def __init__(self, stored: bytes) -> None:
        self._stored = Status.FromString(stored)
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        for detail in self._stored.details:
            _ = detail.Unpack(info) or detail.Unpack(retry)
        reason = f"ERROR_REASON_{info.reason}"
        super().__init__(
            self._stored.code,
            v1.ErrorReason.Value(reason) if reason in _REASONS else v1.ERROR_REASON_INTERNAL,
            self._stored.message,
            retryable=info.metadata["retryable"] == "true",
            retry_after=retry.retry_delay.ToMilliseconds() / 1000 if retry.HasField("retry_delay") else None,
        )

    def status(self, request_id: str) -> Status:
        """The stored status; it tells the id of the operation's own completion."""
        return self._stored
