"""Is what only the native RPCs take sound? Every wrong field is named at once."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dragoman import v1
from google.protobuf.duration_pb2 import Duration

from dragoman_service.contract import FieldViolation
from dragoman_service.validation import check, limits, violations

_OPERATION_ID = re.compile(r"[a-z][a-z0-9-]{2,61}[a-z0-9]")


def check_attach(request: v1.AttachCompletionRequest) -> None:
    """Raises INVALID_FIELD naming every wrong field."""
    check(_attach(request))


def check_tokenize(request: v1.TokenizeRequest) -> None:
    """Raises INVALID_FIELD naming every wrong field."""
    check(_tokenize(request))


def seconds(duration: Duration) -> float:
    """A duration as a number."""
    return duration.seconds + duration.nanos / 1e9


def start_violations(request: v1.StartCompletionRequest) -> Iterator[FieldViolation]:
    """Every wrong field, except those of the request that is to be completed."""
    if request.operation_id and not _OPERATION_ID.fullmatch(request.operation_id):
        allowed = "4 to 63 characters from a-z, 0-9 and -, starting with a letter and not ending in -"
        yield FieldViolation("operation_id", f"should have {allowed}")
    if request.HasField("ttl") and not limits.LEAST_TTL <= seconds(request.ttl) <= limits.TTL:
        yield FieldViolation("ttl", f"should be from {limits.LEAST_TTL} s to {limits.TTL} s (30 days)")
    if request.HasField("max_attempts") and not 1 <= request.max_attempts <= limits.ATTEMPTS:
        yield FieldViolation("max_attempts", f"is {request.max_attempts}; should be from 1 to {limits.ATTEMPTS}")
    if not -limits.PRIORITY <= request.priority <= limits.PRIORITY:
        yield FieldViolation(
            "priority", f"is {request.priority}; should be from -{limits.PRIORITY} to {limits.PRIORITY}"
        )


def _attach(request: v1.AttachCompletionRequest) -> Iterator[FieldViolation]:
    if not request.name:
        yield FieldViolation("name", "is required: the name of an operation, as in operations/ID")
    if request.after_sequence < 0:
        yield FieldViolation("after_sequence", "should be the number of the last event that was read, or 0")


def _tokenize(request: v1.TokenizeRequest) -> Iterator[FieldViolation]:
    match request.WhichOneof("input"):
        case "text":
            if not request.model:
                yield FieldViolation("model", "is required: the name or an alias of a model")
            if len(request.text) > limits.TEXT:
                yield FieldViolation("text", f"has {len(request.text)} characters; at most {limits.TEXT} are allowed")
        case "request":
            yield from violations(request.request, "request.")
            if request.model not in ("", request.request.model):
                yield FieldViolation("model", "should be empty or the same as request.model")
        case _:
            yield FieldViolation("input", "one of text and request is required")
