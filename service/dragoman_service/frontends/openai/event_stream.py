"""Server-sent events to one caller, kept alive while there is nothing to say."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

from dragoman_service.contract import CompletionError
from dragoman_service.dialects.openai.server.errors import last_words
from dragoman_service.dialects.openai.server.stream import PING
from dragoman_service.transport.http.call import HttpCall

QUIET = 15.0  # seconds without a word, after which a comment says that we are still there
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}  # neither kept nor held back on the way


class EventStream:
    """Begins with the first event, so that what goes wrong before it is told by the status; or with a comment, once
    the caller has waited for `QUIET`."""

    def __init__(self, call: HttpCall) -> None:
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._spoke = self._loop.time()
        self._begun = asyncio.Lock()
        self._timer = self._loop.call_later(QUIET, self._look)
        self._ping: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._ping is not None:
            self._ping.cancel()
            with suppress(asyncio.CancelledError):
                await self._ping

    async def send(self, piece: bytes) -> None:
        """Writes at once. Raises STALLED_READER."""
        self._spoke = self._loop.time()
        if self._call.response is None:
            await self._begin()
        await self._call.send(piece)

    async def _begin(self) -> None:
        async with self._begun:  # a comment may be about to do the same
            if self._call.response is None:
                await self._call.begin("text/event-stream", last_words, HEADERS)

    def _look(self) -> None:
        """One timer a stream, however many events it has."""
        rest = self._spoke + QUIET - self._loop.time()
        if rest <= 0:
            self._ping = self._loop.create_task(self._keep_alive())
            rest = QUIET
        self._timer = self._loop.call_later(rest, self._look)

    async def _keep_alive(self) -> None:
        with suppress(CompletionError, ConnectionError):  # who does not read is found out by the next event
            await self.send(PING)
