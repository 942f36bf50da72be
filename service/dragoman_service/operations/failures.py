"""The errors of operations."""

from __future__ import annotations

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.contract import CompletionError


class LedgerError(RuntimeError):
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
