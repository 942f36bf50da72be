"""A caller who stops reading a stream stops the model."""

from __future__ import annotations

import asyncio
import gc
import threading
from contextlib import aclosing, closing

import pytest
from dragoman import AsyncClient, Client
from either_client import ask

TIMEOUT = 5  # seconds


async def hung_up(service) -> bool:
    await asyncio.wait_for(service.hung_up.wait(), TIMEOUT)
    return True


@pytest.fixture
async def async_client(address):
    async with AsyncClient(address) as client:
        yield client


@pytest.fixture
async def blocking_client(address):
    client = Client(address)
    yield client
    await ask(client.close)


async def test_breaking_out_of_a_blocking_loop_cancels_the_call(blocking_client, service):
    def read() -> None:
        for event in blocking_client.stream("endless"):
            if event.delta.text:
                break

    await asyncio.to_thread(read)

    assert await hung_up(service)


async def test_closing_a_blocking_stream_cancels_the_call(blocking_client, service):
    def read() -> None:
        with closing(blocking_client.stream("endless")) as events:
            next(events)
            next(events)

    await asyncio.to_thread(read)

    assert await hung_up(service)


async def test_an_exception_in_a_blocking_loop_cancels_the_call(blocking_client, service):
    def read() -> None:
        for event in blocking_client.stream("endless"):
            if event.delta.text:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await asyncio.to_thread(read)

    assert await hung_up(service)


async def test_closing_an_async_stream_cancels_the_call(async_client, service):
    async with aclosing(async_client.stream("endless")) as events:
        async for event in events:
            if event.delta.text:
                break

    assert await hung_up(service)


async def test_breaking_out_of_an_async_loop_cancels_the_call(async_client, service):
    async for event in async_client.stream("endless"):
        if event.delta.text:
            break
    gc.collect()

    assert await hung_up(service)


@pytest.mark.parametrize("delivery", ["complete", "stream"])
async def test_cancelling_the_task_cancels_the_call(async_client, service, delivery):
    async def read() -> None:
        if delivery == "complete":
            await async_client.complete("slow")
        async for _ in async_client.stream("endless"):
            pass

    reading = asyncio.create_task(read())
    await asyncio.wait_for(service.under_way.wait(), TIMEOUT)
    reading.cancel()

    assert await hung_up(service)
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_closing_the_client_cancels_the_call(blocking_client, service):
    events = blocking_client.stream("endless")
    ended = threading.Event()

    def read() -> None:
        try:
            for _ in events:
                pass
        except Exception:  # noqa: BLE001 - other tests check which exception ends it
            ended.set()

    reading = asyncio.create_task(asyncio.to_thread(read))
    await asyncio.wait_for(service.under_way.wait(), TIMEOUT)
    await ask(blocking_client.close)
    await asyncio.wait_for(reading, TIMEOUT)

    assert await hung_up(service)
    assert ended.is_set()
