"""Several choices from an upstream that gives one per request: parallel requests as one stream of events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from dragoman import v1

from dragoman_service.providers.upstream.pace import Events

_QUEUED = 8  # batches that wait for the reader before the sources have to wait
_Tagged = tuple[int, Events]


async def side_by_side(sources: Sequence[AsyncGenerator[Events]]) -> AsyncGenerator[Events]:
    """The events of all sources as they come, with their usage added up.

    The first source to fail ends all of them. Closing the iterator closes the sources.
    """
    usage = _UsageTotal()
    async with aclosing(_tagged(sources)) as tagged:
        async for source, events in tagged:
            yield [usage.total(source, event) for event in events]


async def _tagged(sources: Sequence[AsyncGenerator[Events]]) -> AsyncGenerator[_Tagged]:
    queue: asyncio.Queue[_Tagged | Exception | None] = asyncio.Queue(_QUEUED)
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
        # Does not wait for the upstream: each task closes its connection at once.
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(number: int, source: AsyncGenerator[Events], queue: asyncio.Queue[_Tagged | Exception | None]) -> None:
    try:
        async with aclosing(source) as batches:
            async for events in batches:
                await queue.put((number, events))
    except Exception as failure:  # noqa: BLE001 - raised again in the reader's task
        await queue.put(failure)
    else:
        await queue.put(None)


class _UsageTotal:
    """The newest usage of each source, added up."""

    def __init__(self) -> None:
        self._sources: dict[int, v1.Usage] = {}

    def total(self, source: int, event: v1.CompletionEvent) -> v1.CompletionEvent:
        """`event`; if it is the usage of `source`, the total of all sources in its place."""
        if not event.HasField("usage"):
            return event
        self._sources[source] = event.usage
        parts = self._sources.values()
        told = all(part.HasField("cost_nano_usd") for part in parts)
        return v1.CompletionEvent(
            usage=v1.Usage(
                input_tokens=sum(part.input_tokens for part in parts),
                output_tokens=sum(part.output_tokens for part in parts),
                total_tokens=sum(part.total_tokens for part in parts),
                cached_input_tokens=sum(part.cached_input_tokens for part in parts),
                cache_write_tokens=sum(part.cache_write_tokens for part in parts),
                reasoning_tokens=sum(part.reasoning_tokens for part in parts),
                cost_nano_usd=sum(part.cost_nano_usd for part in parts) if told else None,
            )
        )
