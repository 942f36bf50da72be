"""The errors of operations."""

from __future__ import annotations

from dragoman import v1
from google.rpc import code_pb2, error_details_pb2
from google.rpc.status_pb2 import Status

from dragoman_service.contract import CompletionError, FieldViolation, QuotaViolation, invalid
from dragoman_service.operations.model.records import Record, State

_REASONS = frozenset(v1.ErrorReason.keys())


class OperationStoreError(RuntimeError):
    """Why the store cannot be opened, for the operator."""


def not_found(name: str) -> CompletionError:
    """No such operation: it never existed, has expired, or is another caller's, and the error does not say which."""
    return CompletionError(
        code_pb2.NOT_FOUND,
        v1.ERROR_REASON_OPERATION_NOT_FOUND,
        f"There is no operation {name[:128]!r}, or it has expired. ListOperations lists yours.",
        resource=name,
    )


def no_listing() -> CompletionError:
    """Callers without a key are one owner but many people: who knows the name of an operation may use it."""
    return CompletionError(
        code_pb2.UNAUTHENTICATED,
        v1.ERROR_REASON_CREDENTIALS_MISSING,
        "ListOperations needs an API key that the service knows, because callers without one would see each other's "
        "operations. Read an operation by its name, which StartCompletion returns. The operator can allow it for "
        "everybody with access.anonymous_listing.",
    )


def unavailable() -> CompletionError:
    """The store cannot be used now."""
    return CompletionError(
        code_pb2.UNAVAILABLE,
        v1.ERROR_REASON_OPERATIONS_UNAVAILABLE,
        "The store of operations cannot be used now. Try again; completions without a request_id still work.",
        retryable=True,
        retry_after=1.0,
    )


def cancelled() -> CompletionError:
    """CancelOperation stopped the operation."""
    return CompletionError(code_pb2.CANCELLED, v1.ERROR_REASON_CANCELLED, "The operation was cancelled.")


def worker_lost(attempts: int) -> CompletionError:
    """The operation has lost as many workers as it may: they died, or stood still for longer than the lease."""
    return CompletionError(
        code_pb2.ABORTED,
        v1.ERROR_REASON_WORKER_LOST,
        f"The operation was attempted {attempts} times, and each time its worker was lost. Start it again.",
        retryable=True,
    )


def model_stuck(attempts: int) -> CompletionError:
    """The model stood still whenever it worked on the operation, which may be the cause."""
    return CompletionError(
        code_pb2.ABORTED,
        v1.ERROR_REASON_WORKER_LOST,
        f"In {attempts} attempts at the operation the model stood still or its worker was lost. The request may be the "
        "cause: do not start it again as it is.",
    )


def internal(operation_id: str) -> CompletionError:
    """A fault of the service, described in its log."""
    return CompletionError(
        code_pb2.INTERNAL,
        v1.ERROR_REASON_INTERNAL,
        f"Internal error. The log of the service has the details, under the operation {operation_id}.",
    )


def request_id_reused(request_id: str) -> CompletionError:
    """The caller has used the request id for another request."""
    return CompletionError(
        code_pb2.ALREADY_EXISTS,
        v1.ERROR_REASON_REQUEST_ID_REUSED,
        f"You have used the request_id {request_id!r} for another request. Choose a new one for each request.",
    )


def exists(name: str) -> CompletionError:
    """The caller has another operation of that name."""
    return CompletionError(
        code_pb2.ALREADY_EXISTS,
        v1.ERROR_REASON_OPERATION_EXISTS,
        f"You already have an operation {name!r}. Choose another operation_id, or delete that one first.",
        resource=name,
    )


def too_many_stored(most: int) -> CompletionError:
    """The caller has as many operations as one may have."""
    return CompletionError(
        code_pb2.RESOURCE_EXHAUSTED,
        v1.ERROR_REASON_QUOTA_EXHAUSTED,
        f"You have {most} stored operations, the most that a caller may have. Delete some that are done, or wait until "
        "they expire.",
        quota=(QuotaViolation("operations", f"{most} stored operations a caller"),),
    )


def request_not_kept(name: str) -> CompletionError:
    """The operation erases its request at its end."""
    return CompletionError(
        code_pb2.FAILED_PRECONDITION,
        v1.ERROR_REASON_REQUEST_NOT_KEPT,
        f"The operation {name!r} does not keep its request. Start operations with keep_request to read it later.",
        resource=name,
    )


def beyond(newest: int) -> CompletionError:
    """A cursor beyond the newest event of the operation."""
    message = f"the operation has {newest} events so far; should be the number of the last one that you have read"
    return invalid(FieldViolation("after_sequence", message))


def reading_over(name: str) -> CompletionError:
    """The time for reading is over; the operation goes on."""
    return CompletionError(
        code_pb2.DEADLINE_EXCEEDED,
        v1.ERROR_REASON_DEADLINE,
        f"The time for reading {name} is over before it is finished. Attach to it, or send the request again.",
    )


def may_run_again(record: Record) -> bool:
    """The operation gives up its request id: it was or will be cancelled, or has failed in a retryable way."""
    if record.state == State.FAILED:
        return StoredError(record.error or b"").retryable
    return record.state == State.CANCELLED or (record.cancel_requested and not record.done)


def first_line_of(error: BaseException) -> str:
    """The first line of a driver's message: the lines after it may show what is stored."""
    return str(error).partition("\n")[0] or type(error).__name__


class StoredError(CompletionError):
    """The stored error of an operation: its status is the same for everybody who asks."""

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
        """The stored status, with the id of the operation's own completion."""
        return self._stored
