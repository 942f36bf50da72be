"""Assembles tool calls from the pieces that servers send, one call after the other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dragoman import v1

from dragoman_service.dialects.openai.client.json import items, mapping, text
from dragoman_service.errors import malformed_answer

_KNOWN = frozenset({"index", "id", "type", "function"})
_MOST_KEYS = 16  # of a piece of a call; no vendor has more


@dataclass(slots=True)
class _Call:
    """The progress of one call. None of it is passed on before its name is known."""

    index: int
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    begun: bool = False
    sent: int = 0
    """The number of pieces of its arguments that have been passed on."""
    extensions: dict[str, str] = field(default_factory=dict)
    """The vendor's own keys, which came before the call was passed on."""

    @property
    def complete(self) -> bool:
        """Its arguments are complete JSON, so that nothing more can follow."""
        try:
            json.loads("".join(self.arguments))
        except (ValueError, RecursionError):
            return False
        return True

    def unsent(self) -> Iterator[v1.ToolCallDelta]:
        """What has not been passed on yet, as one delta."""
        if not self.name:
            return
        arguments = "".join(self.arguments[self.sent :])
        self.sent = len(self.arguments)
        if not self.begun:
            self.begun = True
            yield v1.ToolCallDelta(
                index=self.index, id=self.id, name=self.name, arguments_json=arguments, extensions=self.extensions
            )
        elif arguments:
            yield v1.ToolCallDelta(index=self.index, arguments_json=arguments)


class ToolCalls:
    """The calls of one choice.

    A piece belongs to the call with its index, else to the one with its id, else to the last one. Servers number all
    calls 0, send no index, no id, or complete calls: a second id or a second name under one index is another call.

    Only one call is passed on as it comes. Pieces of later calls are held back until its arguments are complete or the
    answer ends, because the pieces of two calls must not be mixed.
    """

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._numbered: dict[int, _Call] = {}
        self._current = 0  # the index of the call that is passed on as it comes

    def __bool__(self) -> bool:
        return bool(self._calls)

    def feed(self, pieces: Any) -> Iterator[v1.ToolCallDelta]:
        """The deltas of a server's `tool_calls`. Raises PROVIDER_MALFORMED."""
        for piece in items(pieces, "tool calls"):
            yield from self._piece(mapping(piece, "tool call"))

    def feed_function(self, function: Any) -> Iterator[v1.ToolCallDelta]:
        """The deltas of a `function_call`, the format before there were tools: one call without an id."""
        if function:
            yield from self._piece({"index": 0, "function": function})

    def end(self) -> Iterator[v1.ToolCallDelta]:
        """The deltas that were held back. Raises PROVIDER_MALFORMED if a call has no name."""
        if not all(call.name for call in self._calls):
            raise malformed_answer("called a tool without its name")
        for call in self._calls[self._current :]:
            yield from call.unsent()

    def _piece(self, piece: Mapping[str, Any]) -> Iterator[v1.ToolCallDelta]:
        function = mapping(piece.get("function"), "function")
        id_, name = text(piece.get("id") or ""), text(function.get("name") or "")
        arguments = _arguments(function.get("arguments"))
        before = len(self._calls)
        call = self._call(piece.get("index"), id_, name)
        call.arguments.append(arguments)
        for key in piece.keys() - _KNOWN if len(piece) <= _MOST_KEYS else ():
            if piece[key] is not None:
                call.extensions[key] = json.dumps(piece[key], ensure_ascii=False, separators=(",", ":"))
        if not call.name:
            call.id, call.name = call.id or id_, name
        if call.index < self._current:
            if arguments.strip():
                raise malformed_answer("continued a tool call after its end")
        elif call.index == self._current or len(self._calls) > before:
            yield from self._pass_on()

    def _pass_on(self) -> Iterator[v1.ToolCallDelta]:
        """The deltas of the current call, and of the calls after it once it is complete."""
        yield from self._calls[self._current].unsent()
        while self._current < len(self._calls) - 1 and self._calls[self._current].complete:
            self._current += 1
            yield from self._calls[self._current].unsent()

    def _call(self, number: Any, id_: str, name: str) -> _Call:
        known = self._known(number, id_, name)
        if known is None:
            known = _Call(len(self._calls), id_)
            self._calls.append(known)
            if type(number) is int:
                self._numbered[number] = known
        return known

    def _known(self, number: Any, id_: str, name: str) -> _Call | None:
        # The index decides, but servers reuse it: another id, or a second name after complete arguments, is a new call.
        if type(number) is int:
            call = self._numbered.get(number)
        elif id_ and all(call.id for call in self._calls):
            return next((call for call in self._calls if call.id == id_), None)
        else:
            call = self._calls[-1] if self._calls else None
        if call is None or (id_ and call.id and id_ != call.id):
            return None
        if name and call.name and not id_ and (number is None or call.complete):
            return None
        return call


def _arguments(value: Any) -> str:
    if value is None or type(value) is str:
        return value or ""
    return json.dumps(value, ensure_ascii=False)
