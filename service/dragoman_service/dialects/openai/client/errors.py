"""Decodes errors: an HTTP status with a body, or an error object in place of an answer."""

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

from dragoman_service.dialects.contract import HttpErrorResponse
from dragoman_service.dialects.upstream_errors import QUOTA, failure_of_http_status, rejected
from dragoman_service.errors import CompletionError, FieldViolation, malformed_answer, too_many_hops

_CONTEXT_CODES = frozenset({"exceed_context_size_error", "context_length_exceeded"})
_CONTEXT_MESSAGE = re.compile(r"maximum context length (?:is|of) \d")
# The last alternative of each is Dragoman's own message, because an upstream may be another Dragoman.
_LIMIT = re.compile(r"(?:maximum context length (?:is|of)|the model takes) (\d{1,9})")
_COUNTED = re.compile(r"(?:resulted in|requested|request has|contains|prompt has) (\d{1,9})(?: input)? tokens")
_QUOTA_CODES = re.compile(r"insufficient_(?:quota|balance|credits?|funds)|billing_\w+|credit_\w+|payment_required")
_TOO_MANY_HOPS = "too_many_hops"  # Dragoman's own error code
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
    # Google's names, in `status`
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
}
# MiniMax's numbers in `base_resp`: https://platform.minimax.io/docs/api-reference/errorcode
_STATUS_OF_NUMBER = {
    1001: 408, 1002: 429, 1004: 401, 1008: 402, 1026: 400, 1027: 400, 1039: 400, 1041: 429, 1042: 400, 1043: 400,
    1044: 400, 2013: 400, 2049: 401, 2056: 429,
}  # fmt: skip
_WORDS = ("message", "detail", "msg", "error_msg", "status_msg", "error_message", "error", "errors", "title")
# The model exists and the account may use it, but not for this request: the caller can change that.
_REQUEST_AT_FAULT = {
    403: re.compile(r"moderat|flagged|content (?:policy|filter)|safety|guardrail", re.IGNORECASE),
    404: re.compile(r"\bsupports? (?!this model|the model|model)|\bsupporting\b|data policy", re.IGNORECASE),
}

_LONGEST_WAIT = 86_400.0  # seconds; longer delays are cut to this
_NUMBER = re.compile(r"\s*([0-9]{1,12}(?:\.[0-9]{1,9})?)\s*")
_PART = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|[dhms])"
_DURATION = re.compile(rf"(?:{_PART})+")
_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_RATE_LIMITS = ("requests", "tokens")


def decode_error(response: HttpErrorResponse) -> CompletionError:
    """The error of a response whose HTTP status is not 200."""
    return _decode(response.status, _error_object(response.body), response.headers)


def decode_error_object(problem: Any) -> CompletionError:
    """The error of an error object, or a plain text, that came in place of an answer under status 200."""
    details = problem if isinstance(problem, dict) else {"message": problem}
    details = _with_words(details)
    return _decode(_status(details), details, {})


def reported_problem(chunk: Mapping[str, Any]) -> Any:
    """The error that a JSON object of an answer reports, None if it reports none."""
    if chunk.get("error"):
        return chunk["error"]
    base = chunk.get("base_resp")
    if isinstance(base, dict) and base.get("status_code"):
        number = base["status_code"]
        return {"code": _STATUS_OF_NUMBER.get(number if isinstance(number, int) else 0, 500), "message": _text_of(base)}
    if chunk.get("object") == "error":
        return chunk
    if chunk.get("choices") or chunk.get("usage") or "prompt_progress" in chunk:
        return None
    says = any(isinstance(chunk.get(key), str) for key in ("message", "detail", "msg", "error_msg", "status_msg"))
    return chunk if says or chunk.get("errors") else None


def decode_error_event(data: bytes) -> CompletionError:
    """The error of a server-sent event named `error`, whatever its data."""
    return decode_error_object(_error_object(data))


def unsupported(*fields: FieldViolation) -> CompletionError:
    """UNSUPPORTED_FIELD: the upstream cannot honour these fields in this request."""
    shown = "; ".join(f"{f.field}: {f.description}" for f in fields)
    return CompletionError(code_pb2.INVALID_ARGUMENT, v1.ERROR_REASON_UNSUPPORTED_FIELD, shown, fields=fields)


def _status(details: Mapping[str, Any]) -> int:
    """The HTTP status that fits an error object, 500 if its `code` and `type` are unknown."""
    code = details.get("code")
    if isinstance(code, str) and re.fullmatch(r"[45]\d\d", code):
        code = int(code)
    if isinstance(code, int) and 400 <= code < 600:
        return code
    names = (str(details.get("type")), str(code), str(details.get("status")))
    return next((_STATUS_OF_TYPE[name] for name in names if name in _STATUS_OF_TYPE), 500)


def _decode(status: int, details: Mapping[str, Any], headers: Mapping[str, str]) -> CompletionError:
    # The names in the body come first: servers send a long prompt or an empty account under various statuses.
    names = {str(details.get("type")), str(details.get("code"))}
    if _CONTEXT_CODES & names or (status < 500 and _CONTEXT_MESSAGE.search(str(details.get("message")))):
        return _context_length(details, status)
    if _TOO_MANY_HOPS in names:
        return too_many_hops().with_metadata(upstream_status=str(status))
    words = details.get("message")
    fault = _REQUEST_AT_FAULT.get(status)
    if fault is not None and fault.search(str(words)):
        return rejected(words, str(status))
    out_of_quota = any(_QUOTA_CODES.fullmatch(name) for name in names)
    failure = QUOTA if out_of_quota else failure_of_http_status(status)
    if failure is not None:
        return failure.error(str(status), _retry_after(headers), words)
    if status < 400:
        return malformed_answer(f"answered with status {status}").with_metadata(upstream_status=str(status))
    return rejected(words, str(status))


def _context_length(details: Mapping[str, Any], status: int) -> CompletionError:
    metadata = {"upstream_status": str(status)}
    limit, counted = _token_counts(details)
    message = "The prompt does not fit the model's context window. Shorten it."
    if limit is not None and counted is not None:
        metadata |= {"limit": str(limit), "counted": str(counted)}
        message = (
            f"The prompt has {counted} tokens; the model takes {limit} for prompt and answer together. Shorten it."
        )
    return CompletionError(
        code_pb2.INVALID_ARGUMENT, v1.ERROR_REASON_CONTEXT_LENGTH_EXCEEDED, message, metadata=metadata
    )


def _token_counts(details: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """The model's token limit and the prompt's tokens, from the fields of the error or from its message."""
    limit, counted = details.get("n_ctx"), details.get("n_prompt_tokens")
    if isinstance(limit, int) and isinstance(counted, int):
        return limit, counted
    message = str(details.get("message"))
    limits, counts = _LIMIT.search(message), _COUNTED.search(message)
    return (int(limits[1]) if limits else None), (int(counts[1]) if counts else None)


def _error_object(body: bytes) -> dict[str, Any]:
    """The error in a body, with its text under `message`."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return _plain_text(body)
    if isinstance(answer, list) and answer:
        answer = answer[0]
    if not isinstance(answer, dict):
        return {"message": answer} if isinstance(answer, str) else {}
    problem = reported_problem(answer) if answer.get("base_resp") else answer.get("error") or answer.get("detail")
    return _with_words(problem if isinstance(problem, dict) else answer if problem is None else {"message": problem})


def _plain_text(body: bytes) -> dict[str, Any]:
    """A body that is a text. A page is none."""
    text = body[:4096].decode(errors="replace").strip()
    return {} if not text or text.startswith("<") or "\ufffd" in text[:-1] else {"message": text}


def _with_words(details: Mapping[str, Any]) -> dict[str, Any]:
    metadata = details.get("metadata")
    behind = metadata.get("raw") if isinstance(metadata, dict) else None  # OpenRouter: the text of the vendor behind it
    texts = [text for text in (_text_of(details), _text_of(behind)) if text]
    return {**details, "message": ": ".join(texts)}


def _text_of(value: Any, depth: int = 4) -> str:
    """What `value` says, wherever servers put it; empty if it says nothing."""
    if isinstance(value, str):
        return value
    if depth and isinstance(value, list):
        return "; ".join(text for text in (_text_of(entry, depth - 1) for entry in value[:5]) if text)
    if depth and isinstance(value, dict):
        return next((text for key in _WORDS if (text := _text_of(value.get(key), depth - 1))), "")
    return ""


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """The delay in seconds that the headers ask for, from 0 to a day; None if they name none that makes sense."""
    milliseconds = _NUMBER.fullmatch(headers.get("retry-after-ms", ""))
    if milliseconds:
        return min(float(milliseconds[1]) / 1000, _LONGEST_WAIT)
    waits = [_retry_after_value(headers.get("retry-after", "")), _rate_limit_reset(headers)]
    wait = next((wait for wait in waits if wait is not None), None)
    return None if wait is None else min(max(wait, 0.0), _LONGEST_WAIT)


def _retry_after_value(value: str) -> float | None:
    number = _NUMBER.fullmatch(value)
    return float(number[1]) if number else _seconds_until(value)


def _seconds_until(value: str) -> float | None:
    try:
        moment = email.utils.parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - time.time()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _rate_limit_reset(headers: Mapping[str, str]) -> float | None:
    """Seconds until the used-up rate limits are renewed; if none is marked as used up, until the first one is."""
    waits = {limit: _duration(headers.get(f"x-ratelimit-reset-{limit}", "")) for limit in _RATE_LIMITS}
    known = {limit: wait for limit, wait in waits.items() if wait is not None}
    used_up = [wait for limit, wait in known.items() if headers.get(f"x-ratelimit-remaining-{limit}") == "0"]
    return max(used_up) if used_up else min(known.values(), default=None)


def _duration(value: str) -> float | None:
    """Seconds of a duration such as `2m59.56s`, `120ms` or, as a plain number, `7`."""
    number = _NUMBER.fullmatch(value)
    if number:
        return float(number[1])
    if not _DURATION.fullmatch(value.strip()):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(_PART, value))
