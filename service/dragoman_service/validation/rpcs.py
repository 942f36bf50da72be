"""Requests of single RPCs: what they take in addition to a completion request."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dragoman import v1
from google.protobuf.duration_pb2 import Duration

from dragoman_service.errors import FieldViolation, invalid
from dragoman_service.validation import limits
from dragoman_service.validation.request import check, violations
from dragoman_service.validation.wording import missing, out_of_range, too_long

_OPERATION_ID = re.compile(r"[a-z][a-z0-9-]{2,61}[a-z0-9]")


def check_attach(request: v1.AttachCompletionRequest) -> None:
    """Raises INVALID_FIELD with every wrong field."""
    check(_attach(request))


def check_tokenize(request: v1.TokenizeRequest) -> None:
    """Raises INVALID_FIELD with every wrong field."""
    check(_tokenize(request))


def check_operation_name(name: str) -> str:
    """The name; raises INVALID_FIELD if it is empty."""
    check(_operation_name(name))
    return name


def check_model_name(name: str) -> str:
    """The name; raises INVALID_FIELD if it is empty."""
    check(_model_name(name))
    return name


def check_timeout(timeout: Duration) -> float:
    """A timeout in seconds. Raises INVALID_FIELD if it is negative."""
    length = seconds(timeout)
    if length < 0:
        raise invalid(FieldViolation("timeout", "must not be negative"))
    return length


def effective_page_size(page_size: int, default: int) -> int:
    """The size of a page as AIP-158 has it: `default` for 0, and at most `limits.PAGE`.

    Raises INVALID_FIELD if it is negative.
    """
    if page_size < 0:
        raise invalid(FieldViolation("page_size", f"is {page_size}; must not be negative: 0 means {default}"))
    return min(page_size or default, limits.PAGE)


def seconds(duration: Duration) -> float:
    """A duration as a number."""
    return duration.seconds + duration.nanos / 1e9


def start_violations(request: v1.StartCompletionRequest) -> Iterator[FieldViolation]:
    """Every wrong field, except those of the request that is to be completed."""
    if request.operation_id and not _OPERATION_ID.fullmatch(request.operation_id):
        allowed = "4 to 63 characters from a-z, 0-9 and -, starting with a letter and not ending in -"
        yield FieldViolation("operation_id", f"must have {allowed}")
    if request.HasField("ttl") and not limits.LEAST_TTL <= seconds(request.ttl) <= limits.TTL:
        yield FieldViolation("ttl", f"must be from {limits.LEAST_TTL} s to {limits.TTL} s (30 days)")
    if request.HasField("max_attempts") and not 1 <= request.max_attempts <= limits.ATTEMPTS:
        yield out_of_range("max_attempts", request.max_attempts, f"from 1 to {limits.ATTEMPTS}")
    if not -limits.PRIORITY <= request.priority <= limits.PRIORITY:
        yield out_of_range("priority", request.priority, f"from -{limits.PRIORITY} to {limits.PRIORITY}")


def _attach(request: v1.AttachCompletionRequest) -> Iterator[FieldViolation]:
    yield from _operation_name(request.name)
    if request.after_sequence < 0:
        yield FieldViolation("after_sequence", "must be the number of the last event that was read, or 0")


def _tokenize(request: v1.TokenizeRequest) -> Iterator[FieldViolation]:
    match request.WhichOneof("input"):
        case "text":
            yield from _model_name(request.model, "model")
            if len(request.text) > limits.TEXT:
                yield too_long("text", request.text, limits.TEXT)
        case "request":
            yield from violations(request.request, "request.")
            if request.model not in ("", request.request.model):
                yield FieldViolation("model", "must be empty or the same as request.model")
        case _:
            yield missing("input", "text or request")


def _operation_name(name: str) -> Iterator[FieldViolation]:
    if not name:
        yield missing("name", "the name of an operation, as in operations/ID")


def _model_name(name: str, at: str = "name") -> Iterator[FieldViolation]:
    if not name:
        yield missing(at, "the name or an alias of a model, as in 'local'")
