"""The states of the parts of a turn as one text, because a turn of this API has one `encrypted_content`.

A turn holds its thoughts and its text each as a whole. The text of the states says how to cut them, so that the turn
comes back part by part as the model made it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson
from dragoman import v1

from dragoman_service.dialects.media import decode_base64, encode_base64

_MARK = "dgm1."
"""The start of what this service wrote."""
_THOUGHT, _TEXT, _CALL = "thought", "text", "call"
_KINDS = {"reasoning": _THOUGHT, "tool_call": _CALL}


def encode_states(parts: Iterable[v1.Part]) -> str:
    """The states of the parts of an answer; empty if there are none."""
    told, any_state = [], False
    for part in parts:
        kind = _KINDS.get(str(part.WhichOneof("content")), _TEXT)
        length = len(part.reasoning.text or part.text or part.refusal)
        told.append([kind, length, encode_base64(part.state)])
        any_state = any_state or bool(part.state)
    return _MARK + encode_base64(orjson.dumps(told)) if any_state else ""


def restored(parts: Iterable[v1.Part], encrypted: str) -> list[v1.Part] | None:
    """The parts of a turn as they were when `encrypted` was written; None if they have changed, or it is not ours."""
    told = _told(encrypted)
    if told is None:
        return None
    texts, calls = {_THOUGHT: "", _TEXT: ""}, []
    for part in parts:
        texts[_THOUGHT] += part.reasoning.text
        texts[_TEXT] += part.text
        if part.HasField("tool_call"):
            calls.append(part)
    try:
        found = list(_cut(told, texts, calls))
    except (TypeError, ValueError, IndexError, KeyError):
        return None
    return None if calls or any(texts.values()) else found


def _told(encrypted: str) -> Any:
    data = decode_base64(encrypted.removeprefix(_MARK)) if encrypted.startswith(_MARK) else None
    try:
        return None if data is None else orjson.loads(data)
    except orjson.JSONDecodeError:
        return None


def _cut(told: Any, texts: dict[str, str], calls: list[v1.Part]) -> Iterator[v1.Part]:
    """Takes each part from `texts` and `calls`, of which nothing should be left."""
    for kind, length, state in told:
        part = v1.Part()
        if kind == _CALL:
            part.CopyFrom(calls.pop(0))
        else:
            text, texts[kind] = texts[kind][:length], texts[kind][length:]
            if len(text) < length:
                raise ValueError("the text is shorter than it was")
            if kind == _THOUGHT:
                part.reasoning.text = text
            else:
                part.text = text
        part.state = decode_base64(state) or b""
        yield part
