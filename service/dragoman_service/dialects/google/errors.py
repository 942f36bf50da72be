"""Google's error body, `{"error": {"code", "message", "status", "details"}}`: encoded and decoded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from google.protobuf import json_format
from google.rpc import code_pb2

from dragoman_service.dialects.contract import HttpErrorResponse
from dragoman_service.dialects.http_errors import error_response, http_status
from dragoman_service.dialects.upstream_errors import (
    CREDENTIALS,
    UpstreamFailure,
    failure_of_grpc_code,
    failure_of_http_status,
    rejected,
    seconds_of,
)
from dragoman_service.errors import CompletionError, too_many_hops

_TYPE = "type.googleapis.com/google.rpc."
_BAD_KEY = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED"})
"""Reasons in ErrorInfo for what the vendor answers with 400 to a wrong key."""


def error_tree(error: CompletionError, call_id: str) -> dict[str, Any]:
    """The error as a JSON object whose only key is `error`, because clients of streams look at the first key."""
    status = error.status(call_id)
    details: list[Any] = json_format.MessageToDict(status).get("details", [])
    name = code_pb2.Code.Name(error.code)
    return {"error": {"code": http_status(error), "message": status.message, "status": name, "details": details}}


def encode_error(error: CompletionError, call_id: str) -> HttpErrorResponse:
    """The error in place of an answer."""
    return error_response(error, orjson.dumps(error_tree(error, call_id)))


def decode_error(wire: HttpErrorResponse) -> CompletionError:
    """The error that came in place of an answer, alone or as the only element of an array."""
    try:
        tree = orjson.loads(wire.body)
    except orjson.JSONDecodeError:
        tree = None
    if isinstance(tree, list) and tree:
        tree = tree[0]
    problem = tree.get("error") if isinstance(tree, dict) else None
    return decode_problem(problem, wire.status, seconds_of(wire.headers.get("retry-after")))


def decode_problem(problem: object, status: int = 0, retry_after: float | None = None) -> CompletionError:
    """The error that `problem`, the value of the key `error`, stands for; by the HTTP status if it is no object.

    `status` is 0 if it came in the middle of a stream. `retry_after` is the delay of a header, in seconds.
    """
    found = problem if isinstance(problem, Mapping) else {}
    number = found.get("code")
    status = status or (number if isinstance(number, int) and 400 <= number < 600 else 500)
    info = _detail(found, "ErrorInfo")
    if info.get("reason") == too_many_hops().reason_name:
        return too_many_hops().with_metadata(upstream_status=str(status))
    words = found.get("message") or (problem if isinstance(problem, str) else None)
    failure = _failure(found.get("status"), info.get("reason"), status)
    if failure is None:
        return rejected(words, str(status))
    return failure.error(str(status), _retry_delay(found) if retry_after is None else retry_after, words)


def _failure(name: object, reason: object, status: int) -> UpstreamFailure | None:
    """The kind of failure: by the name of its code if there is one, otherwise by the HTTP status."""
    if reason in _BAD_KEY:
        return CREDENTIALS
    known = isinstance(name, str) and name in dict(code_pb2.Code.items())
    code = code_pb2.Code.Value(str(name)) if known else None
    return failure_of_http_status(status) if code is None else failure_of_grpc_code(code)


def _detail(problem: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """The first detail of that type, empty without one."""
    details = problem.get("details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, Mapping) and detail.get("@type") == f"{_TYPE}{kind}":
            return detail
    return {}


def _retry_delay(problem: Mapping[str, Any]) -> float | None:
    """The delay in seconds that RetryInfo asks for, written as `7s`; None without one."""
    delay = _detail(problem, "RetryInfo").get("retryDelay")
    return seconds_of(delay.removesuffix("s")) if isinstance(delay, str) else None
