"""Ids for tool calls whose provider gives none, made in one place so that stream, answer and filters agree."""

from __future__ import annotations

import hashlib
import string

from dragoman import v1

from dragoman_service.contract import Call

_LENGTH = 9  # letters and digits: one vendor demands exactly this form, and all others accept it
_LETTERS = string.ascii_letters + string.digits


def with_tool_call_id(event: v1.CompletionEvent, call: Call) -> v1.CompletionEvent:
    """The event, or a copy with an id if the event begins a tool call without one."""
    if not (event.HasField("delta") and event.delta.HasField("tool_call")):
        return event
    begun = event.delta.tool_call
    if begun.id or not begun.name:  # only the first delta of a tool call has a name
        return event
    named = v1.CompletionEvent()
    named.CopyFrom(event)
    named.delta.tool_call.id = tool_call_id(call.id, event.delta.choice_index, begun.index)
    return named


def tool_call_id(call_id: str, choice_index: int, index: int) -> str:
    """An id that depends on nothing but the completion and the position of the tool call in it."""
    digest = hashlib.sha256(f"{call_id}/{choice_index}/{index}".encode()).digest()
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:_LENGTH])
