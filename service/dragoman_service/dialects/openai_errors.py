"""What an upstream says when it fails, as our CompletionError."""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Mapping
from typing import Any

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.errors import CompletionError

_MAX_TEXT = 300  # characters of the upstream's own words that a caller sees
_RETRY_AFTER = 1.0  # seconds, where the upstream names none
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_KEYS = re.compile(r"\b(?:(?:sk|pk|key)[-_][\w*-]{6,}|bearer\s+\S+)", re.IGNORECASE)
_CONTEXT = frozenset({"exceed_context_size_error", "context_length_exceeded"})
_STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
}

_CREDENTIALS = (
    code_pb2.FAILED_PRECONDITION,
    v1.ERROR_REASON_PROVIDER_CREDENTIALS,
    "The provider refused the service's own credentials. The operator has to look at them.",
)
_MISSING = (
    code_pb2.FAILED_PRECONDITION,
    v1.ERROR_REASON_PROVIDER_MODEL_MISSING,
    "The provider does not know the model that the service is configured for. The operator has to look at it.",
)
_TIMEOUT = (
    code_pb2.UNAVAILABLE,
    v1.ERROR_REASON_PROVIDER_TIMEOUT,
    "The provider timed out. Send the request again.",
)
_LIMITED = (
    code_pb2.RESOURCE_EXHAUSTED,
    v1.ERROR_REASON_PROVIDER_RATE_LIMITED,
    "The provider limits the rate of requests. Send the request again later.",
)
_FAILED = (
    code_pb2.UNAVAILABLE,
    v1.ERROR_REASON_PROVIDER_UNAVAILABLE,
    "The provider failed before it answered. Send the request again.",
)
_BY_STATUS = {
    401: _CREDENTIALS,
    402: _CREDENTIALS,
    403: _CREDENTIALS,
    404: _MISSING,
    408: _TIMEOUT,
    409: _FAILED,
    429: _LIMITED,
}
_RETRYABLE = frozenset({_TIMEOUT, _LIMITED, _FAILED})


def error_of_status(status: int, body: bytes, headers: Mapping[str, str]) -> CompletionError:
    """The error of an answer with an HTTP status other than 200. `headers` by their names in lower case."""
    return _error(status, _error_object(body), headers)


def error_in_answer(problem: Any) -> CompletionError:
    """The error of an error object that came in place of an answer, under status 200."""
    details = problem if isinstance(problem, dict) else {"message": problem}
    code = details.get("code")
    if isinstance(code, int) and 400 <= code < 600:
        return _error(code, details, {})
    return _error(_STATUS_OF_TYPE.get(str(details.get("type")), 500), details, {})


def malformed(what: str) -> CompletionError:
    """PROVIDER_MALFORMED: the provider did `what`, which makes no sense."""
    return CompletionError(code_pb2.INTERNAL, v1.ERROR_REASON_PROVIDER_MALFORMED, f"The provider {what}.")


def _error(status: int, details: Mapping[str, Any], headers: Mapping[str, str]) -> CompletionError:
    metadata = {"upstream_status": str(status)}
    if _CONTEXT & {str(details.get("type")), str(details.get("code"))}:
        return _context_length(details, metadata)
    known = _FAILED if status >= 500 else _BY_STATUS.get(status)
    if known is not None:
        code, reason, message = known
        retryable = known in _RETRYABLE
        wait = _retry_after(headers) if retryable else None
        return CompletionError(code, reason, message, retryable=retryable, retry_after=wait, metadata=metadata)
    if status < 400:
        return malformed(f"answered with status {status}").with_metadata(**metadata)
    said = _sanitised(details.get("message"))
    return CompletionError(
        code_pb2.INVALID_ARGUMENT,
        v1.ERROR_REASON_PROVIDER_REJECTED,
        f"The provider refused the request: {said}"
        if said
        else "The provider refused the request and did not say why.",
        metadata=metadata,
    )


def _context_length(details: Mapping[str, Any], metadata: dict[str, str]) -> CompletionError:
    counted, limit = details.get("n_prompt_tokens"), details.get("n_ctx")
    message = "The prompt does not fit the model's context window. Shorten it."
    if isinstance(counted, int) and isinstance(limit, int):
        metadata |= {"limit": str(limit), "counted": str(counted)}
        message = (
            f"The prompt has {counted} tokens; the model takes {limit} for prompt and answer together. Shorten it."
        )
    return CompletionError(
        code_pb2.INVALID_ARGUMENT, v1.ERROR_REASON_CONTEXT_LENGTH_EXCEEDED, message, metadata=metadata
    )


def _error_object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    problem = answer.get("error", answer) if isinstance(answer, dict) else {}
    return problem if isinstance(problem, dict) else {"message": problem}


def _sanitised(text: Any) -> str:
    """The upstream's words as one line without anything that looks like a key."""
    shown = _KEYS.sub("…", _CONTROL.sub(" ", text)).strip() if isinstance(text, str) else ""
    return shown if len(shown) <= _MAX_TEXT else shown[: _MAX_TEXT - 1] + "…"


def _retry_after(headers: Mapping[str, str]) -> float:
    value = headers.get("retry-after", "")
    if re.fullmatch(r"\d{1,6}(\.\d+)?", value):
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return _RETRY_AFTER
    return min(max(moment.timestamp() - time.time(), 0.0), 999_999.0)
