"""From the bytes of a response to its head, its body and its end, without sockets: httptools (llhttp) with limits."""

from __future__ import annotations

from dataclasses import dataclass

import httptools

MAX_LINE = 8190  # bytes of a header's name or value
MAX_HEAD = 64 * 1024  # bytes of a head with the interim ones before it, of trailers, and between two pieces of a body
_BODILESS = (204, 304)


class NotHttpError(Exception):
    """What came is not HTTP, or exceeds a limit. The text quotes nothing of it."""


@dataclass(slots=True)
class Head:
    """Header names are in lower case. Of a header that came twice it has the last value."""

    status: int
    headers: dict[str, str]


class ResponseParser:
    """The responses of one connection, one after the other.

    `feed` it what came, then look at `head` and `ended`, and `take` the body. Interim responses (1xx) are skipped.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.on_body = self._pieces.append
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        # What many servers get wrong without being ambiguous. aiohttp's client allows the same.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self.begin()

    def begin(self) -> None:
        """Expects the next response."""
        self._headers: dict[str, str] = {}
        self._size = self._bare = 0
        self.head: Head | None = None
        self.ended = False
        self.surplus = False
        """Something that is not a response follows the response."""
        self.until_eof = False
        """The end of the connection is the end of the body."""
        self.reusable = False
        """The connection can carry another response after this one."""

    def close(self) -> None:
        """Nothing more will be fed. Ends the circle of references, so that no garbage waits for the collector."""
        self._parser = None
        del self.on_body

    def feed(self, data: bytes) -> None:
        """Raises NotHttpError. What came before the fault can still be taken."""
        if self._parser is None:
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.ended:
                raise NotHttpError(_text_of(error)) from None
            self.surplus, self.reusable = True, False
        if self._pieces:
            self._bare = 0
        elif not self.ended:
            self._bare += len(data)
            if self._bare > MAX_HEAD:
                raise NotHttpError("the head or the framing is too large")

    def take(self) -> bytes:
        """What came of the body since the last time."""
        pieces = self._pieces
        if not pieces:
            return b""
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        return body

    def on_message_begin(self) -> None:
        if self.ended:
            raise NotHttpError("another response follows")
        self._headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        self._size += len(name) + len(value) + 4
        if self._size > MAX_HEAD or len(name) > MAX_LINE or len(value) > MAX_LINE:
            raise NotHttpError("the head or the trailers are too large")
        if self.head is not None:
            return  # trailers say nothing that is used here
        key = name.decode("latin-1").lower()
        if key == "transfer-encoding" and key in self._headers:
            raise NotHttpError("two headers state the transfer encoding")
        self._headers[key] = value.decode("utf-8", "surrogateescape").rstrip(" \t")

    def on_headers_complete(self) -> None:
        if self._parser is None or (status := self._parser.get_status_code()) < 200:
            return
        coding = self._headers.get("transfer-encoding", "").strip().lower()
        if coding not in ("", "chunked", "identity"):
            raise NotHttpError("the transfer encoding is unknown")
        self.until_eof = coding != "chunked" and "content-length" not in self._headers and status not in _BODILESS
        self.reusable = self._parser.should_keep_alive()
        self.head = Head(status, self._headers)
        self._size = self._bare = 0

    def on_message_complete(self) -> None:
        self.ended = self.head is not None  # not after an interim response


def _text_of(error: Exception) -> str:
    """The parser's own words, which are constants, or those of the callback that failed."""
    if isinstance(error, httptools.HttpParserUpgrade):
        return "the upstream changes to another protocol"
    cause = error.__context__
    return str(cause if isinstance(cause, NotHttpError) else error)
