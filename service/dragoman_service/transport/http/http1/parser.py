"""From the bytes of a connection to requests, without sockets: httptools (llhttp) with limits.

Whatever a proxy in front of the service could read in another way is refused: two lengths, a length beside chunks, bare
line feeds, folded headers, spaces before a colon.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import httptools

MAX_LINE = 8190  # bytes of a request's target, of a header's name, of its value
MAX_HEADERS = 128
MAX_HEAD = 64 * 1024  # bytes of a head, of trailers, and of framing between two pieces of a body
# With two of one of these, somebody else could read the other.
_SINGLE = frozenset(
    {
        *("content-length", "content-location", "content-range", "content-type", "etag", "host", "max-forwards"),
        *("server", "transfer-encoding", "user-agent"),
    }
)


class BadRequestError(Exception):
    """What came is not valid HTTP, or exceeds a limit. The text quotes nothing of it."""


@dataclass(slots=True)
class Head:
    """The head of a request. `length` is that of the body in bytes, None if it comes in chunks."""

    method: str
    target: str
    """As it came, without a fragment."""
    headers: Mapping[str, str]
    """Values by names in lower case, the first of each. Bytes that are not UTF-8 are surrogates, as the error handler
    `surrogateescape` makes them."""
    http11: bool
    """False: HTTP/1.0."""
    keep_alive: bool
    length: int | None


class Receiver(Protocol):
    """What becomes of requests."""

    def starts(self, head: Head) -> None:
        """A head is complete."""
        ...

    def receives(self, data: bytes) -> None:
        """A piece of the body of the last request has come."""
        ...

    def ends(self) -> None:
        """The last request is complete."""
        ...


class RequestParser:
    """The requests of one connection, one after the other. What follows a request that ends the connection is lost."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver: Receiver | None = receiver
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._head: Head | None = None
        self._headers: dict[str, str] = {}
        self._target = b""
        self._count = self._size = 0  # headers, and their bytes
        self._bare = 0  # bytes that came without a head, a piece of a body or an end
        self._progress = self._over = self._declining = False
        self.begun = False
        """A head has begun and is not complete."""

    def close(self) -> None:
        """Nothing more will be fed. Ends the circle of references, so that no garbage waits for the collector."""
        self._parser = self._receiver = None

    def feed(self, data: bytes) -> None:
        """Raises BadRequestError."""
        self._progress = False
        while data and self._parser is not None and not self._over:
            try:
                self._parser.feed_data(data)
                break
            except httptools.HttpParserUpgrade as asked:
                data = data[asked.args[0] :]
                self._decline_upgrade()
            except httptools.HttpParserError as error:
                if self._over:  # whoever asked for the end of the connection sent more
                    return
                raise BadRequestError(_text_of(error)) from None
        self._bare = 0 if self._progress else self._bare + len(data)
        if self._bare > MAX_HEAD:
            raise BadRequestError("a head or the framing of a body is too large")

    def _decline_upgrade(self) -> None:
        """Goes on as if nobody had asked for another protocol, as Java's client does with its first request.

        httptools takes such a request for one without a body. So it gets another head, and reads the body behind it.
        """
        if self._declining and self._head is not None and self._parser is not None:
            length = self._head.length
            how = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
            self._parser.feed_data(f"POST / HTTP/1.1\r\n{how}\r\n\r\n".encode())

    def on_message_begin(self) -> None:
        if self._declining:
            return
        self._head, self._headers, self._target = None, {}, b""
        self._count = self._size = 0
        self.begun = True

    def on_url(self, piece: bytes) -> None:
        if self._declining:
            return
        self._target += piece
        if len(self._target) > MAX_LINE:
            raise BadRequestError("the target is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count += 1
        self._size += len(name) + len(value) + 4
        if self._count > MAX_HEADERS or self._size > MAX_HEAD or len(name) > MAX_LINE or len(value) > MAX_LINE:
            raise BadRequestError("there are too many headers, or one is too long")
        if self._head is not None:
            return  # trailers say nothing that is used here
        key = name.decode("latin-1").lower()
        if key not in self._headers:
            self._headers[key] = value.decode("utf-8", "surrogateescape").rstrip(" \t")
        elif key in _SINGLE:
            raise BadRequestError("a header came twice")

    def on_headers_complete(self) -> None:
        if self._parser is None or self._receiver is None:
            return
        if self._declining:
            self._declining = False
            return
        headers, version = self._headers, self._parser.get_http_version()
        coding = headers.get("transfer-encoding")
        if version not in ("1.1", "1.0"):
            raise BadRequestError("the version of HTTP is unknown")
        if version == "1.1" and "host" not in headers:
            raise BadRequestError("the header Host is missing")
        if coding is not None and (coding.lower() != "chunked" or version == "1.0"):
            raise BadRequestError("the transfer encoding is unknown")
        method = self._parser.get_method().decode("latin-1")
        target = self._target.decode("latin-1").partition("#")[0]
        if not (target.startswith("/") or method == "CONNECT" or _is_absolute(target) or (target, method) == _ALL):
            raise BadRequestError("the target is no path")
        keep_alive = self._parser.should_keep_alive() and method != "CONNECT"
        length = None if coding is not None else int(headers.get("content-length", "0"))
        self.begun, self._progress, self._count, self._size = False, True, 0, 0
        self._head = Head(method, target, headers, version == "1.1", keep_alive, length)
        self._declining = self._parser.should_upgrade() and length != 0 and method != "CONNECT"
        self._receiver.starts(self._head)

    def on_body(self, data: bytes) -> None:
        self._progress = True
        if self._receiver is not None:
            self._receiver.receives(data)

    def on_message_complete(self) -> None:
        self._progress = True
        if self._declining:  # the body is still to come
            return
        self._over = self._head is not None and not self._head.keep_alive
        if self._receiver is not None:
            self._receiver.ends()


_ALL = ("*", "OPTIONS")


def _is_absolute(target: str) -> bool:
    """Whether it is a URL with a host, as proxies get it."""
    _, mark, rest = target.partition("://")
    return bool(mark and rest.partition("/")[0].partition("?")[0])


def _text_of(error: Exception) -> str:
    """The parser's own words, which are constants, or those of the callback that failed."""
    cause = error.__context__
    return str(cause if isinstance(cause, BadRequestError) else error)
