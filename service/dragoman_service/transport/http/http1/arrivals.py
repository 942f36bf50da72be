"""The requests of one connection that have come and are not served yet, in their order."""

from __future__ import annotations

from collections import deque

from dragoman_service.transport.http.http1.incoming import Incoming
from dragoman_service.transport.http.http1.parser import BadRequestError, Head, RequestParser
from dragoman_service.transport.http.http1.request import Line, Request

_SLICE = 4096  # bytes that are parsed at a time, so that little is made of very many small requests
_AHEAD = 8  # requests that may wait; what follows them is not parsed yet


class Arrivals:
    """`feed` it what came, then `take` the requests, which may be incomplete: their bodies tell."""

    __slots__ = ("_body", "_line", "_parser", "_requests", "_rest", "fault", "over")

    def __init__(self, line: Line) -> None:
        self._line = line
        self._parser = RequestParser(self)
        self._requests = deque[Request]()
        self._rest = b""  # not parsed yet
        self._body: Incoming | None = None  # that is coming in
        self.fault: BadRequestError | None = None
        """What came behind these requests is not HTTP."""
        self.over = False
        """Nothing more will be read."""

    @property
    def begun(self) -> bool:
        """A head has begun and is not complete."""
        return self._parser.begun and not self.over

    @property
    def full(self) -> bool:
        """More has come than is being used."""
        return bool(self._rest) or (self._body is not None and self._body.full)

    def feed(self, data: bytes) -> None:
        """A fault in a body is its reader's, any other is `fault`."""
        if self.over:
            return
        data, self._rest = self._rest + data if self._rest else data, b""
        try:
            for at in range(0, len(data), _SLICE):
                if len(self._requests) >= _AHEAD:
                    self._rest = data[at:]
                    break
                self._parser.feed(data[at : at + _SLICE] if len(data) > _SLICE else data)
        except BadRequestError as fault:
            self.over = True
            if self._body is None:
                self.fault = fault
            else:
                self._body.ends(fault)
            raise

    def take(self) -> Request | None:
        """The next request; None if no head is complete."""
        return self._requests.popleft() if self._requests else None

    def close(self) -> None:
        """Nothing more will be fed or taken. Ends the circle with the connection."""
        self.over, self._rest, self._body = True, b"", None
        self._requests.clear()
        self._parser.close()
        del self._line

    def starts(self, head: Head) -> None:
        """See Receiver, as the next two."""
        expects = head.http11 and head.length != 0 and head.headers.get("expect", "").lower() == "100-continue"
        self._body = Incoming(self._line, expects=expects)
        self._requests.append(Request(head, self._line, self._body))

    def receives(self, data: bytes) -> None:
        if self._body is not None:
            self._body.receives(data)

    def ends(self) -> None:
        if self._body is not None:
            self._body.ends()
            self._body = None
