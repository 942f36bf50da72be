"""Streamed answers in the pieces of a dialect, for frontends that send each piece as it is."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from dragoman import v1

from dragoman_service.dialects.contract import EventEncoder

Piece = TypeVar("Piece")
Opening = AbstractAsyncContextManager[AsyncIterator[v1.CompletionEvent]]


async def pieces_of(
    opening: Opening, encoder: EventEncoder[Piece], warn: Callable[[Sequence[v1.Warning]], None]
) -> AsyncGenerator[Piece, None]:
    """The pieces of the events that `opening` leads to. Closing it stops the upstream.

    `warn` is called before the first piece, with what the service left out of the request.
    """
    async with opening as events:
        async for event in events:
            if event.HasField("started"):
                warn(event.started.warnings)
            for piece in encoder.feed(event):
                yield piece
        for piece in encoder.end():
            yield piece
