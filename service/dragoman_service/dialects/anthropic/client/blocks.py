"""Decodes the blocks of an answer, which come one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dragoman import v1

from dragoman_service.dialects.anthropic.client.signing import state_of_data, state_of_signature
from dragoman_service.dialects.anthropic.states import AFTER
from dragoman_service.dialects.reading import json_text
from dragoman_service.errors import malformed_answer

Wire = Mapping[str, Any]
_DELTAS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}


class BlockDecoder:
    """One answer. State is given `mark`. Blocks of tools that the vendor runs itself are passed over."""

    def __init__(self, mark: bytes) -> None:
        self._mark = mark
        self._kind = ""
        self._index: object = None
        self._signature = ""
        self._input = ""  # of a call without pieces
        self._calls = 0
        self._last = ""  # the kind of the block before

    def start(self, index: object, block: Wire) -> Iterator[v1.Delta]:
        """Begins a block, with what stands in it already. Raises PROVIDER_MALFORMED."""
        self._kind, self._index = str(block.get("type")), index
        match self._kind:
            case "text":
                yield from self._text(block.get("text"))
            case "thinking":
                self._signature = _string(block.get("signature"))
                yield from self._text(block.get("thinking"))
            case "redacted_thinking":
                yield from self._redacted(_string(block.get("data")))
            case "tool_use":
                yield self._call(block)

    def add(self, index: object, delta: Wire) -> Iterator[v1.Delta]:
        """More of the open block."""
        if index != self._index:
            raise malformed_answer("sent a piece of a block that is not open")
        kind = delta.get("type")
        if kind == "signature_delta":
            self._signature += _string(delta.get("signature"))
        elif (name := _DELTAS.get(str(kind))) is not None:
            yield from self._text(delta.get(name))

    def stop(self) -> Iterator[v1.Delta]:
        """Ends the open block, with the state of thinking."""
        if self._kind == "thinking":
            yield v1.Delta(reasoning="", state=self._mark + state_of_signature(self._signature))
            self._signature = ""
        elif self._kind == "tool_use":
            if self._input:
                call = v1.ToolCallDelta(index=self._calls, arguments_json=self._input)
                yield v1.Delta(tool_call=call)
            self._calls += 1
        self._last, self._kind, self._input, self._index = self._kind or self._last, "", "", None

    def _text(self, value: object) -> Iterator[v1.Delta]:
        text = _string(value)
        if not text:
            return
        match self._kind:
            case "text":
                yield v1.Delta(text=text)
            case "thinking":
                yield v1.Delta(reasoning=text)
            case "tool_use":
                self._input = ""
                yield v1.Delta(tool_call=v1.ToolCallDelta(index=self._calls, arguments_json=text))

    def _redacted(self, data: str) -> Iterator[v1.Delta]:
        """Encrypted thinking, or the state of the part before it."""
        state = self._mark + state_of_data(data)
        if data.startswith(AFTER) and self._last == "text":
            yield v1.Delta(text="", state=state)
        elif data.startswith(AFTER) and self._last == "tool_use":
            yield v1.Delta(tool_call=v1.ToolCallDelta(index=self._calls - 1), state=state)
        else:
            yield v1.Delta(reasoning="", state=state)

    def _call(self, block: Wire) -> v1.Delta:
        name, identity, given = block.get("name"), block.get("id"), block.get("input")
        if not isinstance(name, str) or not name:
            raise malformed_answer("called a tool without a name")
        if given is not None and not isinstance(given, Mapping):
            raise malformed_answer("called a tool with arguments that are not an object")
        self._input = json_text(given or {})
        return v1.Delta(tool_call=v1.ToolCallDelta(index=self._calls, id=_string(identity), name=name))


def _string(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise malformed_answer("sent something that is not a string where a text belongs")
    return value
