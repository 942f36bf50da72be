"""Server-sent events as they come off the wire, piece by piece."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dragoman_service.dialects.openai_errors import malformed

DONE = b"[DONE]"
MAX_EVENT = 1024 * 1024  # bytes of one event; what is longer is no answer of a model
_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r")


class SseDecoder:
    """Takes bytes in pieces of any size and gives the data of each event that is complete.

    Lines end in LF, CRLF or CR; comments and fields other than `data` are passed over; an event that the end of the
    stream cuts off is no event.
    """

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max = max_event
        self._rest: list[bytes] = []
        self._held = 0
        self._data: list[bytes] = []
        self._size = 0
        self._first = True

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The events that `chunk` completes. Raises PROVIDER_MALFORMED for one that is too long."""
        for line in self._lines(chunk):
            if line:
                self._take(line)
            elif self._data:
                yield b"\n".join(self._data)
                self._data, self._size = [], 0

    def _lines(self, chunk: bytes) -> list[bytes]:
        self._rest.append(chunk)
        self._held += len(chunk)
        if b"\n" not in chunk and b"\r" not in chunk and not self._rest[0].endswith(b"\r"):
            self._bound(self._held)
            return []
        held = b"".join(self._rest)
        # A CR at the very end may be the first half of a CRLF: it waits for what follows.
        lines = _LINE_END.split(held[:-1] if held.endswith(b"\r") else held)
        rest = lines.pop() + (b"\r" if held.endswith(b"\r") else b"")
        self._rest, self._held = [rest], len(rest)
        self._bound(self._held)
        return lines

    def _take(self, line: bytes) -> None:
        if self._first:
            self._first = False
            line = line.removeprefix(_BOM)
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
            self._size += len(value) + 1
            self._bound(self._size)

    def _bound(self, size: int) -> None:
        if size > self._max:
            raise malformed(f"sent an event of more than {self._max} bytes")
