"""Errors on the HTTP wire, in every dialect: google.rpc.Code as a status."""

from __future__ import annotations

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.errors import CompletionError

_STATUS: dict[int, int] = {
    code_pb2.CANCELLED: 499,
    code_pb2.INVALID_ARGUMENT: 400,
    code_pb2.DEADLINE_EXCEEDED: 504,
    code_pb2.NOT_FOUND: 404,
    code_pb2.ALREADY_EXISTS: 409,
    code_pb2.PERMISSION_DENIED: 403,
    code_pb2.RESOURCE_EXHAUSTED: 429,
    code_pb2.FAILED_PRECONDITION: 400,
    code_pb2.ABORTED: 409,
    code_pb2.OUT_OF_RANGE: 400,
    code_pb2.UNIMPLEMENTED: 501,
    code_pb2.UNAVAILABLE: 503,
    code_pb2.UNAUTHENTICATED: 401,
}


def http_status(error: CompletionError) -> int:
    """The HTTP status of an error, by the table that google.rpc.Code gives; 413 for a request that is too large."""
    if error.reason == v1.ERROR_REASON_REQUEST_TOO_LARGE:
        return 413
    return _STATUS.get(error.code, 500)
