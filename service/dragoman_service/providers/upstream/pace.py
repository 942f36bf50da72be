"""Decodes answers without holding the event loop, however fast an upstream sends and whatever it sends."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractContextManager
from typing import Generic, Self, TypeVar

from dragoman import v1

from dragoman_service.contract import CompletionError
from dragoman_service.dialects.contract import EventDecoder, IncompleteAnswerError
from dragoman_service.providers.upstream.connection import HttpError
from dragoman_service.providers.upstream.timeouts import TimeoutWatch
from dragoman_service.timing.off_loop import INLINE, OffLoop
from dragoman_service.timing.turns import TURN, Turns

P = TypeVar("P")
Events = list[v1.CompletionEvent]
"""Events that came together."""


class Pace:
    """Shared by the answers of one upstream, which work in turns, and decode in a thread, one at a time."""

    def __init__(self) -> None:
        self.turns, self.off_loop = Turns(), OffLoop()


class Decoding(Generic[P]):
    """The events of an answer, in the batches that came together. It needs no closing.

    What has gathered without an event is decoded in a thread if it is much. `limit` bounds the wait for each of the
    `pieces`, and `ready` gives one that needs no wait, as `HttpStream.ready` does. Raises what `pieces` raises, what
    the decoder raises, and IncompleteAnswerError.
    """

    def __init__(
        self,
        pieces: AsyncIterator[P],
        decoder: EventDecoder[P],
        watch: TimeoutWatch,
        pace: Pace,
        limit: AbstractContextManager[None],
        ready: Callable[[], P | None] = lambda: None,
    ) -> None:
        self._pieces, self._decoder, self._watch, self._pace, self._limit = pieces, decoder, watch, pace, limit
        self._ready = ready
        self._busy = 0.0
        self._held = 0  # bytes that the decoder has gathered since the last event
        self._failure: Exception | None = None  # raised after the events before it
        self._ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Events:
        decoder = self._decoder
        while not self._ended:
            if self._failure is not None:
                raise self._failure
            if self._busy > TURN / 2:
                self._busy = 0.0
                await self._pace.turns.next()
            if decoder.over:
                events = await self._end()
            else:
                try:
                    piece = self._ready()
                    if piece is None:
                        with self._limit:
                            piece = await anext(self._pieces)
                except StopAsyncIteration:
                    events = await self._end()
                except (HttpError, CompletionError):
                    if not decoder.ended:  # else nothing is taken from an answer that has its end
                        raise
                    events = await self._end()
                else:
                    self._held += len(piece) if isinstance(piece, bytes) else 0
                    events = await self._decode(decoder.feed, piece)
                    self._watch.received(events, ended=decoder.ended)
            if events:
                return events
        if self._failure is not None:
            raise self._failure
        raise StopAsyncIteration

    async def _end(self) -> Events:
        self._ended = True
        return await self._decode(self._decoder.end)

    async def _decode(self, decode: Callable[..., Iterable[v1.CompletionEvent]], *piece: P) -> Events:
        """The events up to a failure."""
        events: Events = []
        if self._held <= INLINE:
            began = time.monotonic()
            self._failure = _add(events, decode, *piece)
            self._busy += time.monotonic() - began
        else:
            self._failure = await self._pace.off_loop.run(self._held, _add, events, decode, *piece)
        if events:
            self._held = 0
        return events


def _add(
    events: Events, decode: Callable[..., Iterable[v1.CompletionEvent]], *piece: object
) -> CompletionError | IncompleteAnswerError | None:
    """Adds the events up to a failure, and returns the failure."""
    try:
        events.extend(decode(*piece))
    except (CompletionError, IncompleteAnswerError) as failure:
        return failure
    return None
