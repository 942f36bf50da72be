"""The whole completion request, which every frontend checks first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from dragoman import v1

from dragoman_service.errors import MAX_VIOLATIONS, FieldViolation, invalid
from dragoman_service.validation import limits
from dragoman_service.validation.config import config_violations
from dragoman_service.validation.messages import message_violations
from dragoman_service.validation.routing import routing_violations
from dragoman_service.validation.safety import safety_violations
from dragoman_service.validation.tools import tool_violations
from dragoman_service.validation.wording import extension_violations, missing, too_long, too_many, unknown_value

_POLICIES = frozenset(v1.UnsupportedFieldPolicy.values())
_DISCONNECT = frozenset(v1.DisconnectPolicy.values())
_REQUEST_ID = re.compile(rf"[!-~]{{1,{limits.REQUEST_ID}}}")


def check_request(request: v1.CompletionRequest) -> None:
    """Raises INVALID_FIELD with every wrong field."""
    check(violations(request))


def check(violations: Iterator[FieldViolation]) -> None:
    """Raises INVALID_FIELD with the violations, if there are any."""
    wrong = tuple(islice(violations, MAX_VIOLATIONS))  # a status has room for no more
    if wrong:
        raise invalid(*wrong)


def violations(request: v1.CompletionRequest, at: str = "") -> Iterator[FieldViolation]:
    """Every wrong field. `at` is the prefix of their paths."""
    if not request.model:
        yield missing(f"{at}model", "the name or an alias of a model, as in 'local'")
    if request.unsupported_field_policy not in _POLICIES:
        yield unknown_value(f"{at}unsupported_field_policy", v1.UnsupportedFieldPolicy)
    if request.disconnect_policy not in _DISCONNECT:
        yield unknown_value(f"{at}disconnect_policy", v1.DisconnectPolicy)
    if request.request_id and not _REQUEST_ID.fullmatch(request.request_id):
        allowed = f"1 to {limits.REQUEST_ID} visible ASCII characters, preferably a UUID"
        yield FieldViolation(f"{at}request_id", f"must have {allowed}")
    if len(request.end_user) > limits.END_USER:
        yield too_long(f"{at}end_user", request.end_user, limits.END_USER)
    if not request.prompt:
        yield from message_violations(request.messages, f"{at}messages")
    elif request.messages:
        yield FieldViolation(f"{at}prompt", "replaces messages: send one of the two")
    elif len(request.prompt) > limits.PROMPT:
        yield too_long(f"{at}prompt", request.prompt, limits.PROMPT)
    if request.tools or request.HasField("tool_choice"):
        yield from tool_violations(request, at)
    if request.HasField("generation_config"):
        yield from config_violations(request.generation_config, f"{at}generation_config")
    if request.safety_settings:
        yield from safety_violations(request.safety_settings, f"{at}safety_settings")
    if request.priority or request.HasField("routing") or request.HasField("stream_options"):
        yield from routing_violations(request, at)
    if request.labels:
        yield from _labels(request, at)
    if request.extensions:
        yield from extension_violations(request.extensions, f"{at}extensions")


def _labels(request: v1.CompletionRequest, at: str) -> Iterator[FieldViolation]:
    if len(request.labels) > limits.LABELS:
        yield too_many(f"{at}labels", len(request.labels), limits.LABELS, "labels")
        return
    for key, value in sorted(request.labels.items()):
        path = f"{at}labels[{key[:63]!r}]"
        if not 1 <= len(key) <= limits.LABEL_KEY:
            yield FieldViolation(path, f"keys must have 1 to {limits.LABEL_KEY} characters")
        if len(value) > limits.LABEL_VALUE:
            yield FieldViolation(path, f"values may have at most {limits.LABEL_VALUE} characters")
        if "\0" in key + value:
            yield FieldViolation(path, "must not contain NUL, which not every store can keep")
