"""Ids for the tool calls of providers that give none: the one place, so that stream, answer and filters agree."""

from __future__ import annotations

import hashlib
import string

from dragoman import v1

from dragoman_service.contract import Call

_LENGTH = 9  # letters and digits: the shortest ids that a provider demands, which all others take
_LETTERS = string.ascii_letters + string.digits


def with_tool_call_id(event: v1.CompletionEvent, call: Call) -> v1.CompletionEvent:
    """The event; a copy with an id where it begins a tool call without one."""
    if not (event.HasField("delta") and event.delta.HasField("tool_call")):
        return event
    begun = event.delta.tool_call
    if begun.id or not begun.name:  # only its first piece has a name
        return event
    named = v1.CompletionEvent()
    named.CopyFrom(event)
    named.delta.tool_call.id = tool_call_id(call.id, event.delta.choice_index, begun.index)
    return named


def tool_call_id(call_id: str, choice_index: int, index: int) -> str:
    """The same for the same tool call of the same completion, and for no other."""
    digest = hashlib.sha256(f"{call_id}/{choice_index}/{index}".encode()).digest()
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:_LENGTH])
