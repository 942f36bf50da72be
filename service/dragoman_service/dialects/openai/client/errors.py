"""What an upstream says when it fails, as our CompletionError."""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.errors import CompletionError, FieldViolation, malformed_answer, too_many_hops

_MAX_TEXT = 300  # characters of the upstream's own words that a caller sees
_RETRY_AFTER = 1.0  # seconds, where the upstream names none
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_KEYS = re.compile(r"\b(?:(?:sk|pk|key)[-_][\w*-]{6,}|bearer\s+\S+)", re.IGNORECASE)
_CONTEXT = frozenset({"exceed_context_size_error", "context_length_exceeded"})
_CONTEXT_SAID = re.compile(r"maximum context length (?:is|of) \d")
# The latter words of both are ours: an upstream may be a service such as this one.
_LIMIT = re.compile(r"(?:maximum context length (?:is|of)|the model takes) (\d{1,9})")
_COUNTED = re.compile(r"(?:resulted in|requested|request has|contains|prompt has) (\d{1,9})(?: input)? tokens")
_QUOTA = re.compile(r"insufficient_(?:quota|balance|credits?|funds)|billing_\w+|credit_\w+|payment_required")
_CIRCLE = "too_many_hops"  # as a service such as this one says it
_STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "BadRequestError": 400,
    "authentication_error": 401,
    "AuthenticationError": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "NotFoundError": 404,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "tokens": 429,
    "requests": 429,
}
_LONGEST_WAIT = 86_400.0  # seconds; what is longer is cut to this
_NUMBER = re.compile(r"\s*([0-9]{1,12}(?:\.[0-9]{1,9})?)\s*")
_PART = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|[dhms])"
_DURATION = re.compile(rf"(?:{_PART})+")
_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_LIMITS = ("requests", "tokens")

_CREDENTIALS = (
    code_pb2.FAILED_PRECONDITION,
    v1.ERROR_REASON_PROVIDER_CREDENTIALS,
    "The provider refused the service's own credentials. The operator has to look at them.",
)
_NO_QUOTA = (
    code_pb2.FAILED_PRECONDITION,
    v1.ERROR_REASON_PROVIDER_QUOTA,
    "The service's account with the provider has no credit or quota left. The operator has to look at it.",
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
    402: _NO_QUOTA,
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
    return _error(_status(details), details, {})


def error_in_event(data: bytes) -> CompletionError:
    """The error of an event that is named `error`, whatever it holds."""
    return error_in_answer(_error_object(data))


def unsupported(*fields: FieldViolation) -> CompletionError:
    """UNSUPPORTED_FIELD: the upstream cannot honour these fields in this request."""
    shown = "; ".join(f"{f.field}: {f.description}" for f in fields)
    return CompletionError(code_pb2.INVALID_ARGUMENT, v1.ERROR_REASON_UNSUPPORTED_FIELD, shown, fields=fields)


def _status(details: Mapping[str, Any]) -> int:
    """The HTTP status that an error object would have had."""
    code = details.get("code")
    if isinstance(code, str) and re.fullmatch(r"[45]\d\d", code):
        code = int(code)
    if isinstance(code, int) and 400 <= code < 600:
        return code
    words = (str(details.get("type")), str(code))
    return next((_STATUS_OF_TYPE[word] for word in words if word in _STATUS_OF_TYPE), 500)


def _error(status: int, details: Mapping[str, Any], headers: Mapping[str, str]) -> CompletionError:
    metadata = {"upstream_status": str(status)}
    words = {str(details.get("type")), str(details.get("code"))}
    if _CONTEXT & words or (status < 500 and _CONTEXT_SAID.search(str(details.get("message")))):
        return _context_length(details, metadata)
    known = _FAILED if status >= 500 else _BY_STATUS.get(status)
    if _CIRCLE in words:
        return too_many_hops().with_metadata(**metadata)
    if any(_QUOTA.fullmatch(word) for word in words):
        known = _NO_QUOTA
    if known is not None:
        code, reason, message = known
        retryable = known in _RETRYABLE
        wait = _wait(headers) if retryable else None
        return CompletionError(code, reason, message, retryable=retryable, retry_after=wait, metadata=metadata)
    if status < 400:
        return malformed_answer(f"answered with status {status}").with_metadata(**metadata)
    return _rejected(details, metadata)


def _wait(headers: Mapping[str, str]) -> float:
    wait = retry_after(headers)
    return _RETRY_AFTER if wait is None else wait


def _rejected(details: Mapping[str, Any], metadata: dict[str, str]) -> CompletionError:
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
    limit, counted = _counts(details)
    message = "The prompt does not fit the model's context window. Shorten it."
    if limit is not None and counted is not None:
        metadata |= {"limit": str(limit), "counted": str(counted)}
        message = (
            f"The prompt has {counted} tokens; the model takes {limit} for prompt and answer together. Shorten it."
        )
    return CompletionError(
        code_pb2.INVALID_ARGUMENT, v1.ERROR_REASON_CONTEXT_LENGTH_EXCEEDED, message, metadata=metadata
    )


def _counts(details: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """The tokens that the model takes, and those of the prompt: as fields, or in the words of the message."""
    limit, counted = details.get("n_ctx"), details.get("n_prompt_tokens")
    if isinstance(limit, int) and isinstance(counted, int):
        return limit, counted
    said = str(details.get("message"))
    limits, counts = _LIMIT.search(said), _COUNTED.search(said)
    return (int(limits[1]) if limits else None), (int(counts[1]) if counts else None)


def _error_object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    problem = (answer.get("error") or answer.get("detail") or answer) if isinstance(answer, dict) else {}
    return problem if isinstance(problem, dict) else {"message": problem}


def _sanitised(text: Any) -> str:
    """The upstream's words as one line without anything that looks like a key."""
    shown = _KEYS.sub("…", _CONTROL.sub(" ", text)).strip() if isinstance(text, str) else ""
    return shown if len(shown) <= _MAX_TEXT else shown[: _MAX_TEXT - 1] + "…"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from 0 to a day; None where nothing sensible is said. `headers` by names in lower case."""
    milliseconds = _NUMBER.fullmatch(headers.get("retry-after-ms", ""))
    if milliseconds:
        return min(float(milliseconds[1]) / 1000, _LONGEST_WAIT)
    waits = [_retry_after(headers.get("retry-after", "")), _reset(headers)]
    wait = next((wait for wait in waits if wait is not None), None)
    return None if wait is None else min(max(wait, 0.0), _LONGEST_WAIT)


def _retry_after(value: str) -> float | None:
    number = _NUMBER.fullmatch(value)
    return float(number[1]) if number else _until(value)


def _until(value: str) -> float | None:
    try:
        moment = email.utils.parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - time.time()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _reset(headers: Mapping[str, str]) -> float | None:
    """Until a limit that is used up is renewed; where none says that it is, the one that is renewed first."""
    waits = {limit: _duration(headers.get(f"x-ratelimit-reset-{limit}", "")) for limit in _LIMITS}
    known = {limit: wait for limit, wait in waits.items() if wait is not None}
    used_up = [wait for limit, wait in known.items() if headers.get(f"x-ratelimit-remaining-{limit}") == "0"]
    return max(used_up) if used_up else min(known.values(), default=None)


def _duration(value: str) -> float | None:
    """Durations such as `2m59.56s` and `120ms`; a plain number is seconds."""
    number = _NUMBER.fullmatch(value)
    if number:
        return float(number[1])
    if not _DURATION.fullmatch(value.strip()):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(_PART, value))
