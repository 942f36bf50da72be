"""One response, as it is sent."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Protocol

from dragoman_service.transport.http.http1.parser import Head

_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_BODILESS = (204, 304)
_dates: dict[int, str] = {}  # by second


class Sink(Protocol):
    """Where a response goes."""

    def write(self, data: bytes) -> None:
        """Raises ConnectionResetError if the caller is gone."""
        ...


class Answer:
    """`status`, `headers`, and a body of `size` bytes or, with None, of as many as are sent.

    The head is sent with the first piece. `keep`: the connection can carry another request afterwards. Raises
    ValueError for a header that is more than a line.
    """

    __slots__ = ("_bodiless", "_chunked", "_head", "_sink", "ended", "keep", "status")

    def __init__(
        self, sink: Sink, asked: Head, status: int, headers: Mapping[str, str], size: int | None, *, keep: bool
    ) -> None:
        self._sink = sink
        self._bodiless = asked.method == "HEAD" or status in _BODILESS
        self._chunked = size is None and asked.http11
        self.status = status
        self.keep = keep and (size is not None or asked.http11)
        self.ended = False
        """All of it has been written."""
        lines = [f"HTTP/1.{1 if asked.http11 else 0} {status} {_PHRASES.get(status, '')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines.append(f"date: {_date()}")
        if size is None:
            lines += ["transfer-encoding: chunked"] if self._chunked else []
        elif status not in _BODILESS:
            lines.append(f"content-length: {size}")
        if self.keep is not asked.http11:
            lines.append("connection: keep-alive" if self.keep else "connection: close")
        self._head = head_of(lines)

    def write(self, data: bytes) -> None:
        """Sends a piece of the body at once. Raises ConnectionResetError if the caller is gone."""
        head, self._head = self._head, b""
        if not data or self._bodiless:
            if head:
                self._sink.write(head)
        elif self._chunked:
            self._sink.write(b"%b%x\r\n%b\r\n" % (head, len(data), data))
        else:
            self._sink.write(head + data if head else data)

    def end(self) -> None:
        """Completes the response. Raises ConnectionResetError if the caller is gone."""
        head, self._head = self._head, b""
        if last := head + (b"0\r\n\r\n" if self._chunked and not self._bodiless else b""):
            self._sink.write(last)
        self.ended = True


def head_of(lines: list[str]) -> bytes:
    """Raises ValueError for a line that is more than one."""
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1 or "\0" in head:
        raise ValueError("a header of the response is more than a line")
    return f"{head}\r\n\r\n".encode(errors="ignore")  # of what is not UTF-8


def _date() -> str:
    now = int(time.time())
    if now not in _dates:
        _dates.clear()
        _dates[now] = formatdate(now, usegmt=True)
    return _dates[now]
