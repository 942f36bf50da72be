"""The request as a whole: what every frontend asks before anything else is done."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dragoman import v1

from dragoman_service.errors import FieldViolation, invalid
from dragoman_service.validation import limits
from dragoman_service.validation.config import config_violations
from dragoman_service.validation.messages import message_violations
from dragoman_service.validation.tools import tool_violations
from dragoman_service.validation.wording import too_long, unknown_value

_POLICIES = frozenset(v1.UnsupportedFieldPolicy.values())
_DISCONNECT = frozenset(v1.DisconnectPolicy.values())
_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_REQUEST_ID = re.compile(rf"[!-~]{{1,{limits.REQUEST_ID}}}")


def check_request(request: v1.CompletionRequest) -> None:
    """Raises INVALID_FIELD naming every wrong field."""
    check(violations(request))


def check(found: Iterator[FieldViolation]) -> None:
    """Raises INVALID_FIELD for what was found, if anything was."""
    wrong = tuple(found)
    if wrong:
        raise invalid(*wrong)


def violations(request: v1.CompletionRequest, at: str = "") -> Iterator[FieldViolation]:
    """Every wrong field, each path with `at` before it."""
    if not request.model:
        yield FieldViolation(f"{at}model", "is required: the name or an alias of a model, as in 'local'")
    if request.unsupported_field_policy not in _POLICIES:
        yield unknown_value(f"{at}unsupported_field_policy", v1.UnsupportedFieldPolicy, "UNSUPPORTED_FIELD_POLICY_")
    if request.disconnect_policy not in _DISCONNECT:
        yield unknown_value(f"{at}disconnect_policy", v1.DisconnectPolicy, "DISCONNECT_POLICY_")
    if request.request_id and not _REQUEST_ID.fullmatch(request.request_id):
        allowed = f"1 to {limits.REQUEST_ID} visible ASCII characters, best a UUID"
        yield FieldViolation(f"{at}request_id", f"should have {allowed}")
    if len(request.end_user) > limits.END_USER:
        yield too_long(f"{at}end_user", request.end_user, limits.END_USER)
    yield from _asked(request, at)
    if request.tools or request.HasField("tool_choice"):
        yield from tool_violations(request, at)
    if request.HasField("generation_config"):
        yield from config_violations(request.generation_config, f"{at}generation_config")
    yield from _labels(request, at)


def _asked(request: v1.CompletionRequest, at: str) -> Iterator[FieldViolation]:
    if not request.prompt:
        yield from message_violations(request.messages, f"{at}messages")
    elif request.messages:
        yield FieldViolation(f"{at}prompt", "stands in place of messages: send one of the two")
    elif len(request.prompt) > limits.PROMPT:
        yield too_long(f"{at}prompt", request.prompt, limits.PROMPT)


def _labels(request: v1.CompletionRequest, at: str) -> Iterator[FieldViolation]:
    if len(request.labels) > limits.LABELS:
        yield FieldViolation(f"{at}labels", f"has {len(request.labels)} labels; at most {limits.LABELS} are allowed")
        return
    for key, value in sorted(request.labels.items()):
        if not _LABEL_KEY.fullmatch(key):
            shown = f"{at}labels[{key[:63]!r}]"
            yield FieldViolation(shown, "keys have 1 to 63 characters from a-z, 0-9, _ and -, starting with a letter")
        if len(value) > limits.LABEL_VALUE:
            yield FieldViolation(f"{at}labels[{key[:63]!r}]", f"values have at most {limits.LABEL_VALUE} characters")
        if "\0" in value:
            yield FieldViolation(f"{at}labels[{key[:63]!r}]", "values hold no NUL: not every store could keep it")
