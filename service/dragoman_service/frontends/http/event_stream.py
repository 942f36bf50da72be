"""A streamed answer to one caller, kept alive while there is nothing to send."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from dragoman_service.contract import CompletionError
from dragoman_service.transport.http.call import EncodeError, HttpCall

KEEP_ALIVE = 15.0  # seconds of silence


class EventStream:
    """Begins with the first event, so that an error before it has a status of its own; or with a sign of life, once the
    caller has waited for `keep_alive` seconds. An error after the beginning is encoded by `encode_error`.
    `sign_of_life` is what the dialect's clients ignore between events; empty: there is none. The stream consists of
    server-sent events, unless `content_type` says otherwise. `opening` is what it begins with. `announce` sets headers
    before a sign of life begins it, which the first event would have decided."""

    def __init__(
        self,
        call: HttpCall,
        encode_error: EncodeError,
        sign_of_life: bytes,
        keep_alive: float = KEEP_ALIVE,
        content_type: str = "text/event-stream",
        announce: Callable[[], None] = lambda: None,
        *,
        opening: bytes = b"",
    ) -> None:
        self._call = call
        self._content_type = content_type
        self._opening = opening
        self._encode_error = encode_error
        self._sign_of_life = sign_of_life
        self._keep_alive = keep_alive
        self._announce = announce
        self._loop = asyncio.get_running_loop()
        self._sent = self._loop.time()
        self._beginning = asyncio.Lock()
        self._timer = self._loop.call_later(keep_alive, self._check) if sign_of_life else None
        self._ping: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._ping is not None:
            self._ping.cancel()
            with suppress(asyncio.CancelledError):
                await self._ping

    async def send(self, piece: bytes) -> None:
        """Writes at once. Raises STALLED_READER."""
        self._sent = self._loop.time()
        if self._call.response is None:
            await self._begin()
        await self._call.send(piece)

    async def _begin(self) -> None:
        async with self._beginning:  # a sign of life and an event may begin the response at the same time
            if self._call.response is None:
                await self._call.begin(self._content_type, self._encode_error)
                if self._opening:
                    await self._call.send(self._opening)

    def _check(self) -> None:
        """Sends a sign of life if it is due. One timer per stream is enough, however many events there are."""
        left = self._sent + self._keep_alive - self._loop.time()
        if left <= 0:
            self._ping = self._loop.create_task(self._send_ping())
            left = self._keep_alive
        self._timer = self._loop.call_later(left, self._check)

    async def _send_ping(self) -> None:
        if self._call.response is None:
            self._announce()
        with suppress(CompletionError, ConnectionError):  # the next event reports a caller who does not read
            await self.send(self._sign_of_life)
