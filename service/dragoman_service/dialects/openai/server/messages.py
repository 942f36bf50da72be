"""Decodes the messages of a conversation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dragoman import v1

from dragoman_service.dialects.openai.server.fields import (
    given,
    items,
    mapping,
    one_of,
    required,
    text,
    unsupported,
    wrong,
)

_ROLES = {
    "system": v1.ROLE_SYSTEM,
    "developer": v1.ROLE_DEVELOPER,
    "user": v1.ROLE_USER,
    "assistant": v1.ROLE_ASSISTANT,
    "tool": v1.ROLE_TOOL,
    "data": v1.ROLE_DATA,
}
_MESSAGE = frozenset(
    {"role", "content", "name", "refusal", "reasoning_content", "reasoning", "tool_calls", "tool_call_id"}
)
_OWNERS = {
    "tool_call_id": "tool",
    "tool_calls": "assistant",
    "refusal": "assistant",
    "reasoning_content": "assistant",
    "reasoning": "assistant",
}
"""Keys that only messages of one role may have, and that role."""
_CONTENT_PARTS = {"text": "text", "refusal": "refusal"}


def decode_messages(value: Any, param: str) -> Iterator[v1.Message]:
    """The messages in the array `value`. Raises INVALID_FIELD."""
    for number, message in enumerate(items(value, param)):
        yield _message(mapping(message, f"{param}[{number}]"), f"{param}[{number}]")


def _message(message: Mapping[str, Any], at: str) -> v1.Message:
    role = required(message, "role", f"{at}.")
    if role == "function":
        raise unsupported(f"{at}.role", "Send the result as a message of role 'tool' with its 'tool_call_id'.")
    decoded = v1.Message(role=_ROLES[one_of(role, tuple(_ROLES), f"{at}.role")])
    values = given(message, _MESSAGE, at)
    if "name" in values and role != "tool":
        decoded.author = text(values["name"], f"{at}.name")
    _check_owners(values, role, at)
    decoded.parts.extend(_result(values, at) if role == "tool" else _parts(values, at))
    return decoded


def _check_owners(values: Mapping[str, Any], role: str, at: str) -> None:
    """Raises INVALID_FIELD for a key that belongs to another role: it would have no meaning."""
    for name, owner in _OWNERS.items():
        if values.get(name) and role != owner:
            raise wrong(f"{at}.{name}", f"'{at}.{name}' is only allowed in messages of role '{owner}'.")


def _result(values: Mapping[str, Any], at: str) -> Iterator[v1.Part]:
    call = text(required(values, "tool_call_id", f"{at}."), f"{at}.tool_call_id")
    parts = list(_content(values.get("content", ""), f"{at}.content"))
    if any(part.HasField("refusal") for part in parts):
        raise wrong(f"{at}.content", f"'{at}.content' holds a refusal. The result of a call is text.")
    result = "".join(part.text for part in parts)
    name = text(values.get("name", ""), f"{at}.name")
    yield v1.Part(tool_result=v1.ToolResult(tool_call_id=call, name=name, text=result))


def _parts(values: Mapping[str, Any], at: str) -> Iterator[v1.Part]:
    """The parts in the order in which a model generates them."""
    key = "reasoning_content" if "reasoning_content" in values else "reasoning"
    if values.get(key):
        yield v1.Part(reasoning=v1.Reasoning(text=text(values[key], f"{at}.{key}")))
    yield from _content(values.get("content", ""), f"{at}.content")
    if values.get("refusal"):
        yield v1.Part(refusal=text(values["refusal"], f"{at}.refusal"))
    for number, call in enumerate(items(values.get("tool_calls", []), f"{at}.tool_calls")):
        yield v1.Part(tool_call=_tool_call(call, f"{at}.tool_calls[{number}]"))


def _content(value: Any, param: str) -> Iterator[v1.Part]:
    if isinstance(value, str):
        if value:
            yield v1.Part(text=value)
        return
    for number, part in enumerate(items(value, param)):
        at = f"{param}[{number}]"
        kind = text(required(mapping(part, at), "type", f"{at}."), f"{at}.type")
        if kind not in _CONTENT_PARTS:
            raise unsupported(f"{at}.type", f"Messages hold text. Remove the part of type '{kind[:64]}'.")
        values = given(part, frozenset({"type", kind}), at)
        content = text(required(values, kind, f"{at}."), f"{at}.{kind}")
        yield v1.Part(text=content) if kind == "text" else v1.Part(refusal=content)


def _tool_call(value: Any, at: str) -> v1.ToolCall:
    call = mapping(value, at)
    given(call, frozenset({"id", "type", "function", "index"}), at)
    one_of(call.get("type", "function"), ("function",), f"{at}.type")
    function = mapping(required(call, "function", f"{at}."), f"{at}.function")
    given(function, frozenset({"name", "arguments"}), f"{at}.function")
    return v1.ToolCall(
        id=text(required(call, "id", f"{at}."), f"{at}.id"),
        name=text(required(function, "name", f"{at}.function."), f"{at}.function.name"),
        arguments_json=text(required(function, "arguments", f"{at}.function."), f"{at}.function.arguments"),
    )
