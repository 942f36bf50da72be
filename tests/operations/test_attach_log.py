"""The stored event log, and readers who are fed from memory: nothing comes twice, nothing is left out."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator

import pytest
from dragoman import v1
from dragoman_service.operations.model.event_codec import pack, unpack
from dragoman_service.operations.model.records import Chunk, Ending, Held, New, Progress, State, Step
from dragoman_service.operations.notify.waiters import MOST_FED, Waiters
from dragoman_service.operations.reading import OperationReader
from dragoman_service.operations.store.interface import OperationStore
from dragoman_service.testing.operation_laws.replicas.replica import CALLER
from dragoman_service.testing.operation_laws.rows import TTL, claim

ID = "0" * 26
NAME = f"operations/{ID}"


@pytest.fixture
async def held(opened: OperationStore) -> Held:
    """A claimed operation."""
    await opened.start(New(ID, CALLER, "m", "p/m", {}, b"", 3, None, 0, None, None))
    [claimed] = await claim(opened)
    return claimed.held


def chunk_of(first: int, *events: bytes) -> Chunk:
    return Chunk(first, first + len(events) - 1, pack(events))


async def write(opened: OperationStore, held: Held, chunk: Chunk) -> None:
    assert await opened.append([Step(held, Progress("p", chunk.last, 0, None), chunk)]) == {ID}


async def test_what_is_written_twice_is_in_the_log_once(opened: OperationStore, held: Held) -> None:
    chunks = [chunk_of(1, b"one", b"two"), chunk_of(3, b"three")]
    for chunk in (chunks[0], chunks[0], chunks[1], chunks[1]):
        await write(opened, held, chunk)
    view = await opened.view(CALLER, ID, 0, 1000)

    assert view is not None
    assert view.chunks == chunks
    assert [list(unpack(chunk, 1)) for chunk in view.chunks] == [[(2, b"two")], [(3, b"three")]]


async def take(reader: AsyncIterator[bytes], count: int) -> list[bytes]:
    async with asyncio.timeout(5):
        return [await anext(reader) for _ in range(count)]


async def test_a_reader_who_stops_reading_holds_a_slice_of_the_log_and_no_answer(
    opened: OperationStore, held: Held
) -> None:
    answer, event = v1.Completion(name="x" * 2_000_000), b"x" * 50_000
    for number in range(1, 41):
        await write(opened, held, chunk_of(number, event))
    ending = Ending(State.SUCCEEDED, Progress("p", 40, 0, None), response=answer.SerializeToString())
    await opened.finish(held, ending, TTL)
    reader = OperationReader(opened, Waiters(), 600)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        readers = [aiter(reader.events(CALLER, NAME, 0, None)) for _ in range(20)]
        for one in readers:
            await take(one, 1)
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    rest = [await take(one, 40) for one in readers[:2]]
    for one in readers:
        await one.aclose()  # type: ignore[attr-defined]

    assert taken / len(readers) < 320 * 1024
    assert [events[:-1] for events in rest] == [[event] * 39] * 2
    assert v1.CompletionEvent.FromString(rest[0][-1]).finished.completion == answer


async def test_what_is_fed_needs_no_look_into_the_store(opened: OperationStore, held: Held) -> None:
    waiters = Waiters()
    reader = aiter(OperationReader(opened, waiters, 600).events(CALLER, NAME, 0, None))
    await write(opened, held, chunk_of(1, b"one"))
    first = await take(reader, 1)
    next_one = asyncio.create_task(take(reader, 2))
    await asyncio.sleep(0.05)
    followed = waiters.is_followed(ID)
    waiters.feed(ID, chunk_of(2, b"two", b"three"))

    assert (first, await next_one) == ([b"one"], [b"two", b"three"])
    assert followed
    await reader.aclose()  # type: ignore[attr-defined]
    assert not waiters.is_followed(ID)


async def test_what_a_reader_was_not_fed_is_read_from_the_store(opened: OperationStore, held: Held) -> None:
    waiters = Waiters()
    reader = aiter(OperationReader(opened, waiters, 600).events(CALLER, NAME, 0, None))
    chunks = [chunk_of(1, b"one"), chunk_of(2, b"two"), chunk_of(3, b"three", b"four")]
    await write(opened, held, chunks[0])
    first = await take(reader, 1)
    for chunk in chunks[1:]:
        await write(opened, held, chunk)
    waiters.feed(ID, chunks[0])
    waiters.feed(ID, chunks[2])
    rest = await take(reader, 3)

    assert [*first, *rest] == [b"one", b"two", b"three", b"four"]


async def test_a_reader_too_slow_to_be_fed_misses_nothing(opened: OperationStore, held: Held) -> None:
    waiters = Waiters()
    reader = aiter(OperationReader(opened, waiters, 600).events(CALLER, NAME, 0, None))
    large = [bytes([number]) * (MOST_FED // 3) for number in range(1, 6)]
    await write(opened, held, chunk_of(1, large[0]))
    first = await take(reader, 1)
    for number, event in enumerate(large[1:], 2):
        await write(opened, held, chunk_of(number, event))
        waiters.feed(ID, chunk_of(number, event))
    rest = await take(reader, 4)

    assert [*first, *rest] == large
