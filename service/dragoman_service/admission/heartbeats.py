"""Heartbeats: what a stream is told that asks for it, as long as its answer has not begun."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing

from dragoman import v1

from dragoman_service.contract import Call, Complete, Filter

SHORTEST, LONGEST = 1.0, 60.0  # seconds between heartbeats


def make_heartbeats(positions: Mapping[str, Callable[[], int]]) -> Filter:
    """`positions` has, for each call that waits in a queue, a function that returns its place."""

    def wrap(complete: Complete) -> Complete:
        def heard(request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]:
            return _heard(complete, request, call, positions) if _asks(request, call) else complete(request, call)

        return heard

    wrap.concerns = _asks  # type: ignore[attr-defined]
    return wrap


def _asks(request: v1.CompletionRequest, call: Call) -> bool:
    return call.streaming and call.record is not None and request.stream_options.HasField("heartbeat_interval")


async def _heard(
    complete: Complete, request: v1.CompletionRequest, call: Call, positions: Mapping[str, Callable[[], int]]
) -> AsyncIterator[v1.CompletionEvent]:
    now = asyncio.get_running_loop().time
    began = now()
    interval = min(max(request.stream_options.heartbeat_interval.ToNanoseconds() / 1e9, SHORTEST), LONGEST)
    async with aclosing(complete(request, call)) as events:  # type: ignore[type-var]
        begun = False
        while not begun:
            reading = asyncio.ensure_future(anext(events, None))
            try:
                while not (await asyncio.wait((reading,), timeout=interval))[0]:
                    yield _heartbeat(positions.get(call.id), now() - began)
                event = await reading
            finally:
                await _ended(reading)
            if event is None:
                return
            yield event
            begun = not (event.HasField("started") or event.HasField("attempt"))
        async for event in events:
            yield event


async def _ended(reading: asyncio.Future[v1.CompletionEvent | None]) -> None:
    """Stops the reading, if it is under way: a generator can be closed only when nothing reads it."""
    if not reading.done():
        reading.cancel()
        await asyncio.wait((reading,))
    if not reading.cancelled():
        reading.exception()  # retrieved


def _heartbeat(position: Callable[[], int] | None, waited: float) -> v1.CompletionEvent:
    event = v1.CompletionEvent()
    beat = event.heartbeat
    beat.phase = v1.Heartbeat.PHASE_WAITING_FOR_PROVIDER if position is None else v1.Heartbeat.PHASE_QUEUED
    if position is not None:
        beat.queue_position = position()
    beat.waited.FromMilliseconds(round(waited * 1000))
    return event
