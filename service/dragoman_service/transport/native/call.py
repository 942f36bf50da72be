"""One call, from its request to its status, as the connection knows it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from grpc import aio

from dragoman_service.transport.native.context import OK_TRAILERS, Context
from dragoman_service.transport.native.framing import MessageError
from dragoman_service.transport.native.metadata import Metadata, encoded

Serve = Callable[[str, Any, Metadata, "Call"], Awaitable[bytes | None]]
"""Serves a call: path, handler, metadata, the call. Returns the one response, or None after it has written several."""
_SUCCESS = (grpc.StatusCode.OK, 0)


class Call(Context):
    """A call that is served in a task of its own."""

    __slots__ = ()

    def still_wanted(self) -> bool:
        """Whether the call is to be served, after it has waited. If its deadline has passed, it ends."""
        if self._over or self._finished:
            return False
        if self.deadline is not None and self._connection.loop.time() >= self.deadline:
            self._expire()
            return False
        return True

    def start(self, serve: Serve) -> None:
        """Serves the call, in a task, and ends it at its deadline."""
        loop = self._connection.loop
        self._task = loop.create_task(self._run(serve))
        if self.deadline is not None:
            self._expiry = loop.call_at(self.deadline, self._expire)

    async def _run(self, serve: Serve) -> None:
        """Serves the call and ends it, whatever happens."""
        try:
            response = await serve(self.head.path, self.handler, self.head.metadata, self)
            self._answer(response)
        except aio.AbortError:
            pass
        except asyncio.CancelledError:
            self.finish(grpc.StatusCode.CANCELLED)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises
            if not (self._over or self._finished):
                self._connection.report(error)
                self.finish(grpc.StatusCode.UNKNOWN, "The handler failed.")

    def receive(self, data: bytes, ended: bool) -> None:
        """Takes bytes of the request."""
        size = len(data)
        if self._over or self._finished:
            if size:
                self._connection.session.consume(self.stream, size)
            return
        self._unread += size
        self._ended = ended
        incoming = self._incoming
        try:
            if size:
                incoming.feed(data)
            if ended and incoming.partial:
                raise MessageError(grpc.StatusCode.INTERNAL, "The request ended within a message.")
        except MessageError as bad:
            self.fail(bad.code, bad.message)
            return
        if self._reader is not None:
            if ended or incoming.messages:
                if not self._reader.done():
                    self._reader.set_result(None)
            else:
                self._consume()  # the handler waits for the rest of a message

    def writable(self) -> None:
        """Little of the call waits to be sent now."""
        if self._room is not None:
            if not self._room.done():
                self._room.set_result(None)
            self._room = None

    def close(self, *, lost: bool) -> None:
        """The call is over: all was sent, or (`lost`) nothing more will be."""
        if self._over:
            return
        self._over = True
        self._consume()
        if self._expiry is not None:
            self._expiry.cancel()
        if self._task is not None and not self._task.done():
            self._connection.keep(self._task)
            if lost and not self._finished:
                self._stop()
        self.writable()
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            try:
                callback(self)
            except Exception as error:  # noqa: BLE001 - the others are called all the same
                self._connection.report(error)

    def fail(self, code: grpc.StatusCode, message: str) -> None:
        """Ends the call with a status that its handler does not choose, and cancels the handler."""
        self.finish(code, message)
        self._stop()

    def _answer(self, response: bytes | None) -> None:
        if self._finished or self._over:
            return
        code = self._code or grpc.StatusCode.OK
        if response is None or code not in _SUCCESS:
            if code in _SUCCESS:  # clients are used to a head of its own
                self._start()
            self.finish(code, self._details, self._trailing)
            return
        trailers = [*OK_TRAILERS, *encoded(self._trailing)] if self._trailing else OK_TRAILERS
        session = self._connection.session
        if self._started:
            session.send(self.stream, self._frame(response))
            session.end(self.stream, trailers)
        else:
            session.answer(self.stream, self._head(), self._frame(response), trailers)
        self._finish()

    def _expire(self) -> None:
        self.fail(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")

    def _stop(self) -> None:
        self._cancelled = True
        if self._task is not None:
            self._task.cancel()
        for waiting in (self._reader, self._room):
            if waiting is not None:
                waiting.cancel()
