"""The messages: each part allowed for its role, each tool result the answer to a call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dragoman import v1

from dragoman_service.errors import FieldViolation
from dragoman_service.validation import limits
from dragoman_service.validation.media import cache_hint_violations, media_violations
from dragoman_service.validation.wording import extension_violations, missing, too_long, too_many, unknown_value

_MEDIA = frozenset(("blob", "file"))
_ROLES = frozenset(v1.Role.values()) - {v1.ROLE_UNSPECIFIED}


def message_violations(messages: Sequence[v1.Message], at: str) -> Iterator[FieldViolation]:
    """Mistakes in the messages, whose path is `at`."""
    if not messages:
        yield missing(at, "at least one message, or a prompt instead")
    if len(messages) > limits.MESSAGES:
        yield too_many(at, len(messages), limits.MESSAGES, "messages")
        return
    if (parts := sum(len(message.parts) for message in messages)) > limits.ALL_PARTS:
        yield too_many(at, parts, limits.ALL_PARTS, "parts in all messages together")
        return
    calls: set[str] = set()
    for number, message in enumerate(messages):
        yield from _message(message, f"{at}[{number}]", calls)


def _message(message: v1.Message, at: str, calls: set[str]) -> Iterator[FieldViolation]:
    """`calls` holds the ids of the tool calls in earlier messages; those of this message are added."""
    if message.role not in _ROLES:
        yield unknown_value(f"{at}.role", v1.Role)
    if len(message.author) > limits.AUTHOR:
        yield too_long(f"{at}.author", message.author, limits.AUTHOR)
    if not message.parts:
        yield missing(f"{at}.parts", 'at least one part, as in {text: "Hello"}')
    if len(message.parts) > limits.PARTS:
        yield too_many(f"{at}.parts", len(message.parts), limits.PARTS, "parts")
        return
    if message.extensions:
        yield from extension_violations(message.extensions, f"{at}.extensions")
    answered = False
    for number, part in enumerate(message.parts):
        kind = part.WhichOneof("content")
        if part.extensions:
            yield from extension_violations(part.extensions, f"{at}.parts[{number}].extensions")
        if part.HasField("cache_hint"):
            yield from cache_hint_violations(part.cache_hint, f"{at}.parts[{number}].cache_hint")
        if kind in _MEDIA:
            yield from media_violations(part, f"{at}.parts[{number}]", message.role, after_result=answered)
        elif kind != "text" or message.role == v1.ROLE_TOOL:  # almost all are sound texts
            answered = answered or kind == "tool_result"
            yield from _part(part, kind, f"{at}.parts[{number}]", message.role, calls)


def _part(
    part: v1.Part, kind: str | None, at: str, role: v1.Role.ValueType, calls: set[str]
) -> Iterator[FieldViolation]:
    if kind is None:
        yield FieldViolation(at, "is empty: set one of text, blob, file, tool_call, tool_result, reasoning, refusal")
    elif kind == "tool_result":
        yield from _result(part.tool_result, f"{at}.tool_result", role, calls)
    elif role == v1.ROLE_TOOL:
        yield FieldViolation(
            f"{at}.{kind}", "is not allowed: messages of ROLE_TOOL contain only tool results and their files"
        )
    elif kind != "text" and role != v1.ROLE_ASSISTANT:
        yield FieldViolation(f"{at}.{kind}", "is allowed only in messages of ROLE_ASSISTANT")
    elif kind == "tool_call":
        yield from _call(part.tool_call, f"{at}.tool_call", calls)


def _call(call: v1.ToolCall, at: str, calls: set[str]) -> Iterator[FieldViolation]:
    if call.extensions:
        yield from extension_violations(call.extensions, f"{at}.extensions")
    if not call.id:
        yield missing(f"{at}.id", "the id that came with the call")
    if not call.name:
        yield missing(f"{at}.name", "the name of the function")
    calls.add(call.id)


def _result(result: v1.ToolResult, at: str, role: v1.Role.ValueType, calls: set[str]) -> Iterator[FieldViolation]:
    if role != v1.ROLE_TOOL:
        yield FieldViolation(at, "is allowed only in messages of ROLE_TOOL")
    if not result.tool_call_id:
        yield missing(f"{at}.tool_call_id", "the id of the tool call that it answers")
    elif result.tool_call_id not in calls:
        yield FieldViolation(f"{at}.tool_call_id", "must be the id of a tool call in an earlier message")
