"""Several choices from an upstream that gives one a request: side-by-side requests as one stream of events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from dragoman import v1

_WAITING = 8  # events of all sources that wait for the reader before the sources do
Tagged = tuple[int, v1.CompletionEvent]


async def side_by_side(sources: Sequence[AsyncGenerator[v1.CompletionEvent]]) -> AsyncGenerator[Tagged]:
    """The events of all sources as they come, each with the number of its source.

    The first source to fail ends all of them. Closing the iterator closes the sources.
    """
    if len(sources) == 1:
        async with aclosing(sources[0]) as events:
            async for event in events:
                yield 0, event
        return
    queue: asyncio.Queue[Tagged | Exception | None] = asyncio.Queue(_WAITING)
    tasks = [asyncio.create_task(_pump(number, source, queue)) for number, source in enumerate(sources)]
    try:
        running = len(tasks)
        while running:
            item = await queue.get()
            if isinstance(item, Exception):
                raise item
            if item is None:
                running -= 1
            else:
                yield item
    finally:
        for task in tasks:
            task.cancel()
        # Each closes its connection at once; nothing here waits for the other side.
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(
    number: int, source: AsyncGenerator[v1.CompletionEvent], queue: asyncio.Queue[Tagged | Exception | None]
) -> None:
    try:
        async with aclosing(source) as events:
            async for event in events:
                await queue.put((number, event))
    except Exception as failure:  # noqa: BLE001 - carried over to the reader's task and raised there
        await queue.put(failure)
    else:
        await queue.put(None)


class UsageTotal:
    """The newest usage of each source, added up."""

    def __init__(self) -> None:
        self._sources: dict[int, v1.Usage] = {}

    def update(self, source: int, usage: v1.Usage) -> bool:
        """Takes what `source` has used so far; whether that changes the total."""
        if self._sources.get(source) == usage:
            return False
        self._sources[source] = usage
        return True

    def event(self) -> v1.CompletionEvent:
        """The total."""
        parts = self._sources.values()
        return v1.CompletionEvent(
            usage=v1.Usage(
                input_tokens=sum(part.input_tokens for part in parts),
                output_tokens=sum(part.output_tokens for part in parts),
                total_tokens=sum(part.total_tokens for part in parts),
                cached_input_tokens=sum(part.cached_input_tokens for part in parts),
            )
        )
