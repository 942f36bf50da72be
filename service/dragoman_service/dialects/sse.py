"""Decodes server-sent events from pieces of a body."""

from __future__ import annotations

import re

import msgspec

from dragoman_service.errors import malformed_answer

DONE = b"[DONE]"
MAX_EVENT = 1024 * 1024  # bytes of one event; no model sends more
MAX_NOISE = 1024 * 1024  # bytes of comments, empty lines and other fields from one event to the next
_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r")
_FIELDS = frozenset({b"", b"data", b"event", b"id", b"retry"})


class ErrorData(bytes):
    """The data of an event named `error`."""


class JsonEvents(msgspec.Struct, gc=False):
    """Events whose data are JSON objects."""

    text: bytes
    """The data of all events, with nothing between them."""
    pieces: list[bytes]
    """The data of each event, without the braces that separate it from its neighbours."""
    done: bool
    """The event `[DONE]` followed them."""

    def data(self, place: int) -> bytes:
        """The data of one event."""
        begin, end = b"{" if place else b"", b"}" if place < len(self.pieces) - 1 else b""
        return begin + self.pieces[place] + end


class SseDecoder:
    """Takes bytes in pieces of any size and returns the data of each complete event.

    Lines end in LF, CRLF or CR. Comments, other fields and events without data are ignored.
    `end` returns an event that lacks its empty line.
    """

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max = max_event
        self._rest: list[bytes] = []
        self._held = 0
        self._data: list[bytes] = []
        self._size = self._noise = 0
        self._failing = False
        self._first = True
        self.foreign = False
        """A line came that is not part of this format."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of the events that `chunk` completes. Raises PROVIDER_MALFORMED if one is too long."""
        events: list[bytes] = []
        for line in self._lines(chunk):
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
                self._size += len(line)
                self._bound(self._size)
            elif line:
                self._other(line)
            elif self._data:
                data = self._event()
                if (data and not data.isspace()) or type(data) is ErrorData:
                    events.append(data)
                    self._noise = 0
                else:  # a sign of life
                    self._noise += len(data) + 7
            else:  # an event without data is ignored, whatever its name
                self._failing = False
                self._noise += 1
        if self._noise > MAX_NOISE:
            raise malformed_answer(f"sent {MAX_NOISE} bytes without an event")
        return events

    def feed_json(self, chunk: bytes) -> JsonEvents | None:
        """The events that `chunk` completes, if they are JSON objects of one line each and nothing else came.

        It spares a pass over each line. None: `chunk` has not been taken, and `feed` has to take it.
        """
        if self._data or self._failing or self._held + len(chunk) > self._max:
            return None
        if not self._held and chunk.startswith(b"data: {") and chunk.endswith(b"}\n\n"):  # most reads are one event
            text = chunk[6:-2]
            if b"\n" not in text and b"\r" not in text:
                self._noise, self._first = 0, False
                return JsonEvents(text, [text], False)
        if self._held:
            chunk = b"".join((*self._rest, chunk)) if b"\n" in chunk else b""
        if not chunk.startswith((b"data: {", b"data:{")):
            return None
        gap = b"\r\n\r\n" if b"\r" in chunk else b"\n\n"
        events, mark, rest = chunk.rpartition(gap)
        if not mark or (rest and (b"\n" in rest or b"\r" in rest)):
            return None
        found = _json_events(events, gap)
        if found is not None:
            self._rest, self._held = [rest], len(rest)
            self._noise, self._first = 0, False
        return found

    def end(self) -> bytes | None:
        """The data of the last event if its empty line, or even its last line end, is missing; it may be cut off."""
        rest, self._rest, self._held = b"".join(self._rest).strip(b"\r"), [], 0
        if rest.startswith(b"data:"):
            self._data.append(rest[6:] if rest.startswith(b"data: ") else rest[5:])
        return self._event() if self._data else None

    def _event(self) -> bytes:
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        failing, self._failing = self._failing, False
        self._data, self._size = [], 0
        return ErrorData(data) if failing else data

    def _lines(self, chunk: bytes) -> list[bytes]:
        self._rest.append(chunk)
        self._held += len(chunk)
        if b"\n" not in chunk and b"\r" not in chunk and not self._rest[0].endswith(b"\r"):
            self._bound(self._held)
            return []
        held = b"".join(self._rest)
        lines = held.split(b"\n") if b"\r" not in held else _split(held)
        rest = lines.pop()
        self._rest, self._held = [rest], len(rest)
        self._bound(self._held)
        if self._first and lines:
            self._first = False
            lines[0] = lines[0].removeprefix(_BOM)
        return lines

    def _other(self, line: bytes) -> None:
        self._noise += len(line) + 1
        name, _, value = line.partition(b":")
        if name == b"data":  # a field without a colon is an empty line of data
            self._data.append(b"")
        elif name == b"event":
            self._failing = value.strip() == b"error"
        self.foreign = self.foreign or name not in _FIELDS

    def _bound(self, size: int) -> None:
        if size > self._max:
            raise malformed_answer(f"sent an event of more than {self._max} bytes")


def _split(held: bytes) -> list[bytes]:
    """The lines, and last the incomplete one: a CR at the very end may be the first half of a CRLF."""
    if not held.endswith(b"\r"):
        return _LINE_END.split(held)
    lines = _LINE_END.split(held[:-1])
    lines[-1] += b"\r"
    return lines


def _json_events(events: bytes, gap: bytes) -> JsonEvents | None:
    """`events` are divided by `gap`. None: they are not all JSON objects of one line each."""
    head = b"data: {" if events.startswith(b"data: {") else b"data:{"
    text, done = events[len(head) - 1 :], False
    pieces = [text]
    if gap in text:
        last = gap + head[:-1] + DONE
        if done := text.endswith(last):
            text = text[: -len(last)]
        pieces = text.split(b"}" + gap + head)
        text = b"}{".join(pieces)
    if not text.endswith(b"}") or b"\n" in text or b"\r" in text:
        return None
    return JsonEvents(text, pieces, done)
