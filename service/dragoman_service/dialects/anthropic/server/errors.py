"""The vendor's error body, `{"type": "error", "error": {"type", "message", "details"}, "request_id"}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from google.rpc import code_pb2

from dragoman_service.dialects.anthropic.server.request import THREAD
from dragoman_service.dialects.contract import HttpErrorResponse
from dragoman_service.dialects.http_errors import error_response, http_status
from dragoman_service.errors import MAX_VIOLATIONS, CompletionError

_TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "invalid_request_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
"""The vendor's type of an error by its status. Every other is `api_error`."""
_UNSUPPORTED_THREAD = "thread_unsupported_request"
"""What tells clients that continue threads to send whole conversations instead."""


def error_tree(error: CompletionError, call_id: str) -> dict[str, Any]:
    """The error as a JSON object."""
    kind = _TYPES.get(http_status(error), "api_error")
    if error.code == code_pb2.FAILED_PRECONDITION:
        kind = "api_error"  # the caller cannot mend the account or the settings of the service
    details: dict[str, Any] = {"reason": error.reason_name}
    if any(wrong.field == THREAD for wrong in error.fields):
        details["error_code"] = _UNSUPPORTED_THREAD
    if error.retry_after is not None:
        details["retry_after"] = error.retry_after
    if error.fields:
        details["fields"] = [
            {"field": wrong.field, "description": wrong.description} for wrong in error.fields[:MAX_VIOLATIONS]
        ]
    told = {"type": kind, "message": error.message, "details": details}
    return {"type": "error", "error": told, "request_id": call_id}


def encode_error(error: CompletionError, call_id: str) -> HttpErrorResponse:
    """The error in place of an answer. Clients read the id of the call from a header alone."""
    response = error_response(error, orjson.dumps(error_tree(error, call_id)))
    headers = {**response.headers, "request-id": call_id}
    return HttpErrorResponse(response.status, response.body, headers, response.content_type)
