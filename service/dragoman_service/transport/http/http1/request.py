"""One request, as handlers see it."""

from __future__ import annotations

import asyncio
from typing import Protocol

from dragoman_service.transport.http.http1.answer import Answer, Sink
from dragoman_service.transport.http.http1.incoming import Incoming, Source
from dragoman_service.transport.http.http1.parser import Head
from dragoman_service.transport.http.http1.target import path_of, plain, query_of


class Line(Sink, Source, Protocol):
    """The connection of a request."""

    @property
    def transport(self) -> asyncio.Transport | None:
        """None: the connection is closed."""
        ...

    @property
    def reserved(self) -> bool:
        """Only probes may be served, because there are too many connections."""
        ...

    async def drain(self) -> None:
        """Waits until more can be written. Raises ConnectionResetError if the caller is gone."""
        ...


class Request:
    """`route` is the path that routes are looked up by, `found` are the parameters of the route in it. See `Head` for
    `method`, `headers` and `http11`."""

    __slots__ = ("_head", "_query", "answer", "body", "found", "headers", "http11", "line", "method", "route")

    def __init__(self, head: Head, line: Line, body: Incoming) -> None:
        self._head = head
        self.method, self.headers, self.http11 = head.method, head.headers, head.http11
        self._query: dict[str, str] | None = None
        self.line = line
        self.body = body
        self.route = path_of(head.target)
        self.found: dict[str, str] = {}
        self.answer: Answer | None = None

    @property
    def length(self) -> int:
        """Of the body in bytes, if the head says it, else 0."""
        return self._head.length or 0

    @property
    def path(self) -> str:
        return plain(self.route)

    @property
    def query(self) -> dict[str, str]:
        """The first value of each parameter."""
        if self._query is None:
            self._query = query_of(self._head.target)
        return self._query

    @property
    def transport(self) -> asyncio.Transport | None:
        """None: the caller is gone."""
        return self.line.transport

    def respond(self, status: int, headers: dict[str, str], size: int | None, *, closes: bool = False) -> Answer:
        """Begins the response, with a body of `size` bytes or, with None, of as many as are sent. `closes`: the
        connection ends with it. Nothing is sent before its first piece or its end."""
        keep = self._head.keep_alive and not (closes or self.body.expects or self.body.broken)
        self.answer = Answer(self.line, self._head, status, headers, size, keep=keep)
        return self.answer
