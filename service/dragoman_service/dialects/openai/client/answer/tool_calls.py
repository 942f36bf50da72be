"""Assembles tool calls from the pieces that servers send, one call after the other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dragoman import v1

from dragoman_service.dialects.openai.client.json import is_json, items, mapping, text
from dragoman_service.errors import malformed_answer

_KNOWN = frozenset({"index", "id", "type", "function"})
_MOST_KEYS = 16  # of a piece of a call; no vendor has more
_LAST = tuple('}]"el0123456789')  # the last characters of complete JSON


@dataclass(slots=True)
class _Call:
    """The progress of one call. None of it is passed on before its name is known."""

    index: int
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    anonymous: bool = False
    """Its format has no ids, so that none is waited for."""
    next: tuple[str, str] | None = None
    """The id and the name of another call that may have begun under the same index, but has no arguments yet."""
    begun: bool = False
    sent: int = 0
    """The number of pieces of its arguments that have been passed on."""
    extensions: dict[str, str] = field(default_factory=dict)
    """The vendor's own keys, which came before the call was passed on."""

    @property
    def complete(self) -> bool:
        """Its arguments are complete JSON, so that nothing more can follow."""
        last = next((piece for piece in map(str.rstrip, reversed(self.arguments)) if piece), "")
        return last.endswith(_LAST) and is_json(self.text.encode(errors="replace"))

    @property
    def text(self) -> str:
        """Its arguments so far."""
        return "".join(self.arguments)

    def unsent(self, *, final: bool = False) -> Iterator[v1.ToolCallDelta]:
        """What has not been passed on yet, as one delta. Nothing before its name, and its id unless `final`."""
        if not self.name or not (self.begun or self.id or self.anonymous or final):
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
    calls 0, send no index, no id, complete calls, or a new id with each piece: another id or name begins another call
    only if the arguments of the one before are complete, or the names differ.

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
        for position, piece in enumerate(items(pieces, "tool calls")):
            yield from self._piece(mapping(piece, "tool call"), beside=position > 0)

    def feed_function(self, function: Any) -> Iterator[v1.ToolCallDelta]:
        """The deltas of a `function_call`, the format before there were tools: one call without an id."""
        if function:
            yield from self._piece({"index": 0, "function": function}, anonymous=True)

    @property
    def whole(self) -> bool:
        """Each call has its name, and arguments that are complete or absent."""
        return all(call.name and (not call.text.strip() or call.complete) for call in self._calls)

    def end(self, *, cut: bool = False) -> Iterator[v1.ToolCallDelta]:
        """The deltas that were held back. Raises PROVIDER_MALFORMED if a call has no name.

        Absent arguments become an empty object, which callers can parse, unless the answer was `cut` at a limit.
        """
        if not all(call.name for call in self._calls):
            raise malformed_answer("called a tool without its name")
        for call in self._calls[self._current :]:
            if not cut and not call.text.strip():
                call.arguments.append("{}")
            yield from call.unsent(final=True)

    def _piece(
        self, piece: Mapping[str, Any], *, beside: bool = False, anonymous: bool = False
    ) -> Iterator[v1.ToolCallDelta]:
        """`beside`: an earlier piece came in the same list, so that without an index this is another call."""
        function = mapping(piece.get("function"), "function")
        id_, name = text(piece.get("id") or ""), text(function.get("name") or "")
        arguments = _arguments(function.get("arguments"))
        before = len(self._calls)
        number = piece.get("index")
        if beside and number is None and name:
            call = self._begin(number, id_, name)
        else:
            call = self._call(number, id_, name, arguments)
        call.anonymous = call.anonymous or anonymous
        known = len(self._calls) == before and id_ in ("", call.id)
        again = arguments.strip()
        if known and again[:1] == "{" and call.text.strip() == again and call.complete:  # the whole call once more
            arguments = ""
        call.arguments.append(arguments)
        for key in piece.keys() - _KNOWN if len(piece) <= _MOST_KEYS else ():
            if piece[key] is not None:
                call.extensions[key] = json.dumps(piece[key], ensure_ascii=False, separators=(",", ":"))
        if not call.begun:
            call.id, call.name = call.id or id_, call.name or name
        if call.index < self._current:
            if arguments.strip():
                raise malformed_answer("continued a tool call after its end")
        elif call.index == self._current or len(self._calls) > before:
            yield from self._pass_on()

    def _pass_on(self) -> Iterator[v1.ToolCallDelta]:
        """The deltas of the current call, and of the calls after it once it is complete."""
        yield from self._calls[self._current].unsent()
        while self._current < len(self._calls) - 1 and self._calls[self._current].complete:
            yield from self._calls[self._current].unsent(final=True)
            self._current += 1
            yield from self._calls[self._current].unsent()

    def _call(self, number: Any, id_: str, name: str, arguments: str) -> _Call:
        """The call that a piece belongs to, a new one if it begins one."""
        known = self._known(number, id_, name)
        if known is not None:
            if known.next is not None and arguments.strip() and id_ in ("", known.next[0]):
                id_, name = known.next
            elif not _is_another(known, number, id_, name, arguments):
                return known
        return self._begin(number, id_, name)

    def _begin(self, number: Any, id_: str, name: str) -> _Call:
        call = _Call(len(self._calls), id_, name)
        self._calls.append(call)
        if type(number) is int:
            self._numbered[number] = call
        return call

    def _known(self, number: Any, id_: str, name: str) -> _Call | None:
        if type(number) is int and number in self._numbered:
            return self._numbered[number]
        same = next((call for call in reversed(self._calls) if id_ and call.id == id_), None)
        last = self._calls[-1] if self._calls else None
        if type(number) is int:  # a new index: a new call, unless the piece can only be more of an earlier one
            return None if name else same or (None if id_ else last)
        return same or last


def _is_another(call: _Call, number: Any, id_: str, name: str, arguments: str) -> bool:
    """The piece does not continue `call`, to which its index or its id points."""
    new_id = bool(id_ and call.id and id_ != call.id)
    if name and call.name and name != call.name:
        return new_id or number is None or call.complete
    if not call.complete:  # without an index, a second id and name before any arguments are those of a second call
        return new_id and bool(name) and number is None and not call.text.strip()
    if not arguments.strip():
        call.next = (id_, name) if new_id and name else None
        return False
    return new_id or bool(name and not id_)


def _arguments(value: Any) -> str:
    if value is None or type(value) is str:
        return value or ""
    return json.dumps(value, ensure_ascii=False)
