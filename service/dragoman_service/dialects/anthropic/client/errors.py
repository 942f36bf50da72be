"""Decodes errors, in place of an answer and in the middle of one."""

from __future__ import annotations

import re
from collections.abc import Mapping

import orjson
from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.dialects.contract import HttpErrorResponse
from dragoman_service.dialects.upstream_errors import (
    CREDENTIALS,
    MODEL_MISSING,
    QUOTA,
    RATE_LIMITED,
    TIMEOUT,
    UNAVAILABLE,
    UpstreamFailure,
    failure_of_http_status,
    rejected,
    seconds_of,
)
from dragoman_service.errors import CompletionError, too_many_hops

_BY_TYPE: Mapping[str, UpstreamFailure | None] = {
    "invalid_request_error": None,
    "request_too_large": None,
    "authentication_error": CREDENTIALS,
    "permission_error": CREDENTIALS,
    "billing_error": QUOTA,
    "not_found_error": MODEL_MISSING,
    "rate_limit_error": RATE_LIMITED,
    "timeout_error": TIMEOUT,
    "overloaded_error": UNAVAILABLE,
    "api_error": UNAVAILABLE,
}
_NO_CREDIT = "credit balance"
"""Words of what the vendor answers with 400 to an account without credit."""
_TOO_LONG = re.compile(r"prompt is too long(?:: (?P<counted>\d+) tokens > (?P<limit>\d+))?|CONTEXT_LENGTH_EXCEEDED")


def decode_error(wire: HttpErrorResponse) -> CompletionError:
    """The error that came in place of an answer, by its HTTP status."""
    try:
        tree = orjson.loads(wire.body)
    except orjson.JSONDecodeError:
        tree = None
    problem = tree.get("error") if isinstance(tree, Mapping) else None
    return decode_problem(problem, wire.status, seconds_of(wire.headers.get("retry-after")))


def decode_problem(problem: object, status: int = 0, retry_after: float | None = None) -> CompletionError:
    """The error that `problem`, the value of the key `error`, stands for. `status` is 0 in the middle of a stream,
    where its type tells what it is. `retry_after` is the delay of a header, in seconds.
    """
    found = problem if isinstance(problem, Mapping) else {}
    details = found.get("details")
    details = details if isinstance(details, Mapping) else {}
    shown = str(status or "")
    if details.get("reason") == too_many_hops().reason_name:
        return too_many_hops().with_metadata(upstream_status=shown)
    words = found.get("message") or (problem if isinstance(problem, str) else None)
    failure = failure_of_http_status(status) if status else _BY_TYPE.get(str(found.get("type")), UNAVAILABLE)
    if failure is None and _NO_CREDIT in str(words).lower():
        failure = QUOTA
    if failure is None:
        too_long = _TOO_LONG.search(f"{details.get('reason')} {words}")
        return rejected(words, shown) if too_long is None else _context_length(too_long, shown)
    return failure.error(shown, seconds_of(details.get("retry_after")) if retry_after is None else retry_after, words)


def _context_length(told: re.Match[str], status: str) -> CompletionError:
    counts = {name: count for name, count in told.groupdict().items() if count}
    message = "The prompt does not fit the model's context window. Shorten it."
    if counts:
        message = f"The prompt has {counts['counted']} tokens; the model takes {counts['limit']}. Shorten it."
    metadata = {"upstream_status": status, **counts}
    return CompletionError(
        code_pb2.INVALID_ARGUMENT, v1.ERROR_REASON_CONTEXT_LENGTH_EXCEEDED, message, metadata=metadata
    )
