"""Errors in dialects over HTTP: the status of a google.rpc.Code, and the headers that tell clients whether to retry."""

from __future__ import annotations

import math

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.dialects.contract import HttpErrorResponse
from dragoman_service.errors import CompletionError

STATUS_OF_CODE: dict[int, int] = {
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
"""The mapping that google.rpc.Code documents. Every other code is 500."""
_RETRIED = frozenset({408, 409, 429})  # statuses besides 5xx after which common clients retry on their own


def http_status(error: CompletionError) -> int:
    """The HTTP status of an error: that of its code, but 413 for a request that is too large."""
    if error.reason == v1.ERROR_REASON_REQUEST_TOO_LARGE:
        return 413
    return STATUS_OF_CODE.get(error.code, 500)


def error_response(error: CompletionError, body: bytes) -> HttpErrorResponse:
    """`body` with the status of `error` and its retry headers."""
    status = http_status(error)
    return HttpErrorResponse(status, body, _retry_headers(error, status))


def _retry_headers(error: CompletionError, status: int) -> dict[str, str]:
    """When to retry; or that retrying is useless, where clients would do it on their own."""
    if not error.retryable:
        return {"x-should-retry": "false"} if status in _RETRIED or status >= 500 else {}
    return {} if error.retry_after is None else {"retry-after": str(max(1, math.ceil(error.retry_after)))}
