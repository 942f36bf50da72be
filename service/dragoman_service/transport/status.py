"""Errors on the gRPC wire: one place that turns a CompletionError into a status with details."""

from __future__ import annotations

import grpc
from dragoman import v1
from google.rpc import code_pb2
from google.rpc.status_pb2 import Status

from dragoman_service.contract import CompletionError

CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}

Trailers = tuple[tuple[str, str | bytes], ...]


def status_code(code: int) -> grpc.StatusCode:
    """grpc's name for a google.rpc.Code number; UNKNOWN for a number that is none."""
    return CODES.get(code, grpc.StatusCode.UNKNOWN)


def trailers(status: Status, error: CompletionError) -> Trailers:
    """The trailing metadata that carries the details, and tells clients with a retry policy how long to wait."""
    found: Trailers = (("grpc-status-details-bin", status.SerializeToString()),)
    pushback = _pushback(error)
    return found if pushback is None else (*found, ("grpc-retry-pushback-ms", str(pushback)))


def _pushback(error: CompletionError) -> int | None:
    """Milliseconds until clients should try again, -1 for never, None to leave it to them."""
    if not error.retryable:
        return -1 if error.code == code_pb2.UNAVAILABLE else None
    if error.retry_after is None:
        return None
    return max(1, round(error.retry_after * 1000))  # after 0 ms clients of gRPC Core never try again, and hang


def too_large(size: int, limit: int) -> CompletionError:
    """The request has too many bytes."""
    return CompletionError(
        code_pb2.RESOURCE_EXHAUSTED,
        v1.ERROR_REASON_REQUEST_TOO_LARGE,
        f"The request has {size} bytes; at most {limit} are taken. Send less.",
        metadata={"limit": str(limit), "counted": str(size)},
    )


def stalled_reader(seconds: float) -> CompletionError:
    """The caller opened a stream and does not read it."""
    return CompletionError(
        code_pb2.ABORTED,
        v1.ERROR_REASON_STALLED_READER,
        f"The stream was not read for {seconds:g} s. Read it without pausing, or start an operation.",
    )
