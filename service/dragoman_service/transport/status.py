"""gRPC status codes and trailers for a CompletionError, and the errors that only the listeners raise."""

from __future__ import annotations

import grpc
from dragoman import v1
from google.rpc import code_pb2
from google.rpc.status_pb2 import Status

from dragoman_service.contract import CompletionError
from dragoman_service.errors import PUSHBACK

MAX_VALUES = 65_536
"""Fields and items of lists in one request. Each takes some microseconds and a hundred bytes, however short it is."""

CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}

Trailers = tuple[tuple[str, str | bytes], ...]


def status_code(code: int) -> grpc.StatusCode:
    """Returns the gRPC status code for a google.rpc.Code number, UNKNOWN for any other number."""
    return CODES.get(code, grpc.StatusCode.UNKNOWN)


def trailers(status: Status, error: CompletionError) -> Trailers:
    """Returns the trailing metadata: the status with its details, and the delay for clients with a retry policy."""
    found: Trailers = (("grpc-status-details-bin", status.SerializeToString()),)
    pushback = error.pushback
    return found if pushback is None else (*found, (PUSHBACK, str(pushback)))


def unimplemented() -> CompletionError:
    """CAPABILITY_MISSING for a method that a frontend lists and does not have."""
    return CompletionError(
        code_pb2.UNIMPLEMENTED,
        v1.ERROR_REASON_CAPABILITY_MISSING,
        "This service does not implement the method. Reflection lists it because the schema has it.",
    )


def too_large(size: int, limit: int) -> CompletionError:
    """REQUEST_TOO_LARGE for a request of `size` bytes."""
    why = f"The request has {size} bytes; the limit is {limit} bytes. Send a smaller request."
    return _request_too_large(why, limit=limit, counted=size)


def too_many_values(limit: int) -> CompletionError:
    """REQUEST_TOO_LARGE for a request with more than `limit` values."""
    why = f"The request has more than {limit} values, counting each field and each item of a list. Send fewer."
    return _request_too_large(why, limit=limit)


def metadata_too_large(size: int, limit: int) -> CompletionError:
    """REQUEST_TOO_LARGE for a call with `size` bytes of metadata."""
    why = f"The metadata has {size} bytes; the limit is {limit} bytes. Send less metadata."
    return _request_too_large(why, limit=limit, counted=size)


def _request_too_large(why: str, **counts: int) -> CompletionError:
    metadata = {name: str(count) for name, count in counts.items()}
    return CompletionError(code_pb2.RESOURCE_EXHAUSTED, v1.ERROR_REASON_REQUEST_TOO_LARGE, why, metadata=metadata)


def stalled_reader(seconds: float) -> CompletionError:
    """STALLED_READER for a caller who did not read the stream for `seconds`."""
    return CompletionError(
        code_pb2.ABORTED,
        v1.ERROR_REASON_STALLED_READER,
        f"The stream was not read for {seconds:g} s. Read it without pauses, or start an operation instead.",
    )
