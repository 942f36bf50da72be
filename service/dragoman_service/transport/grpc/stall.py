"""Sends a stream, and ends it if its caller does not read it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

from grpc import aio

from dragoman_service.transport.call_context import CallContext
from dragoman_service.transport.status import stalled_reader

COPIES = 2  # of a message, ours and that of gRPC, or its bytes and the decoded message
SMALL = 2 * 1024  # bytes; smaller messages are not counted, because what every call may take is enough for them
CLOCK_TICK = 0.001  # seconds; the clock of the event loop is no more precise


class StallTimer:
    """Raises STALLED_READER if one write of a stream takes longer than `timeout` seconds.

    One timer watches all writes, because a timer for each would cost more than most writes take. When it fires, it
    looks at the write under way, and is set again to the earliest time at which a write can be late.
    """

    __slots__ = ("_expired", "_loop", "_task", "_timeout", "_timer", "since")

    def __init__(self, timeout: float) -> None:
        self._loop, self._task, self._timeout = asyncio.get_running_loop(), asyncio.current_task(), timeout
        self._timer = self._loop.call_later(timeout, self._check)
        self._expired = False
        self.since: float | None = None  # loop time at which the write under way began

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._timer.cancel()
        if self._expired and self._task is not None and not self._task.uncancel() and kind is asyncio.CancelledError:
            raise stalled_reader(self._timeout) from error

    def _check(self) -> None:
        now = self._loop.time()
        due = (now if self.since is None else self.since) + self._timeout
        if due > now + CLOCK_TICK:
            self._timer = self._loop.call_at(due, self._check)
        elif self._task is not None:
            self._expired = True
            self._task.cancel()


async def send_all(
    responses: AsyncIterator[Any],
    encode: Callable[[Any], bytes],
    call: CallContext,
    context: aio.ServicerContext[Any, Any],
    stall_timeout: float,
) -> None:
    """Writes all responses. Raises STALLED_READER if one waits for `stall_timeout` seconds."""
    now, record = asyncio.get_running_loop().time, call.record
    with StallTimer(stall_timeout) as timer:
        async for response in responses:
            raw = encode(response)
            taken = COPIES * len(raw) if len(raw) > SMALL else 0
            if taken:
                call.share.grow(taken)
            timer.since = begin = now()
            await _write(context, raw)
            timer.since = None
            record.stalled += now() - begin
            record.sent += 1
            if taken:
                call.share.shrink(taken)


async def _write(context: aio.ServicerContext[Any, Any], raw: bytes) -> None:
    try:
        await context.write(raw)
    except aio.InternalError as error:  # the caller is gone; the context notices only a moment later
        raise asyncio.CancelledError from error
