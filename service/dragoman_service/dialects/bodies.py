"""Decodes bodies of JSON objects, streamed as server-sent events, alone, or as an array, and the counts in answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from dragoman import v1

from dragoman_service.dialects.contract import EventDecoder, IncompleteAnswerError
from dragoman_service.dialects.sse import SseDecoder
from dragoman_service.errors import malformed_answer

_MOST_TOKENS = 2**53  # a double represents every integer up to here
_MAX_COMPLETE = 16 * 1024 * 1024  # bytes of an answer that is no stream, and of one event: signatures are long


class BodyDecoder:
    """An `EventDecoder` for bodies: server-sent events, one object, or an array of them, each decoded by `objects`."""

    def __init__(self, objects: EventDecoder[Mapping[str, Any]]) -> None:
        self._objects = objects
        self._sse = SseDecoder(_MAX_COMPLETE)
        self._whole: list[bytes] | None = None
        self._size = 0
        self._begun = self._read = False

    @property
    def ended(self) -> bool:
        """See `EventDecoder`."""
        return self._objects.ended

    @property
    def over(self) -> bool:
        """See `EventDecoder`."""
        return self._objects.over

    def feed(self, piece: bytes) -> Iterator[v1.CompletionEvent]:
        """The events that `piece` completes. A body that is no stream is decoded at its end."""
        if not self._begun and (first := piece.lstrip()[:1]):
            if first == b"<":
                raise malformed_answer("answered with an HTML page")
            self._begun = True
            self._whole = [] if first in (b"{", b"[") else None
        if self._whole is not None:
            self._size += len(piece)
            if self._size > _MAX_COMPLETE:
                raise malformed_answer(f"sent more than {_MAX_COMPLETE} bytes")
            self._whole.append(piece)
            return
        for data in self._sse.feed(piece):
            self._read = True
            plain = bytes(data)  # of an event named `error` they are a subclass, which orjson does not take
            yield from self._objects.feed(answer_object(plain, "an event"))
            if self._objects.over:
                return

    def end(self) -> Iterator[v1.CompletionEvent]:
        """The last events. Raises IncompleteAnswerError if the answer lacks its end."""
        if self._whole is not None:
            for value in _values(b"".join(self._whole)):
                yield from self._objects.feed(value)
        elif data := self._sse.end():
            yield from self._last(data)
        elif self._sse.foreign and not self._read:
            raise malformed_answer("answered with something other than server-sent events")
        yield from self._objects.end()

    def _last(self, data: bytes) -> Iterator[v1.CompletionEvent]:
        """The events of the last event, which may be cut."""
        try:
            value = orjson.loads(bytes(data))
        except orjson.JSONDecodeError:
            if self.ended:
                return
            raise IncompleteAnswerError from None
        yield from self._objects.feed(value if isinstance(value, dict) else {})


def answer_object(data: bytes, what: str) -> Mapping[str, Any]:
    """The JSON object in `data`, which is `what`, as in "an event". Raises PROVIDER_MALFORMED if it is none."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise malformed_answer(f"sent {what} that is not a JSON object")
    return value


def token_count(value: object) -> int:
    """A count of tokens, 0 if it is absent. Raises PROVIDER_MALFORMED."""
    found = 0 if value is None else value
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < _MOST_TOKENS:
        raise malformed_answer("sent a usage that is not a count of tokens")
    return found


def _values(body: bytes) -> list[Mapping[str, Any]]:
    """The objects of a body. One that breaks off is incomplete."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise IncompleteAnswerError from None
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]
