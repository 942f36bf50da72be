"""What is too much is refused with OVERLOADED, or costs no more than it must."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, overload

import grpc
import pytest
from dragoman_service.transport.freed_memory import give_back, resident, trim_of_libc
from dragoman_service.transport.grpc.metadata import MAX_METADATA, read_metadata
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from raw_http import asked
from raw_http2 import opened
from waiting import until


async def test_calls_over_the_limit_are_refused_with_a_delay_on_both_listeners(start_service, prompt, refused) -> None:
    service = await start_service({"echo": {"first_delay": "1h"}}, server={"max_calls": 2})
    echo = service.opened.providers["echo"]
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        create = channel.unary_unary("/dragoman.v1.CompletionService/CreateCompletion")
        held = [create(prompt("x").SerializeToString()) for _ in range(2)]
        await until(lambda: echo.running == 2)
        refusal = await refused(create(prompt("x").SerializeToString()))
        async with asked(service.http_address, "POST", "/v1/chat/completions", b"{}") as answer:
            said = await answer.json()
        async with asked(service.http_address, "GET", "/v1/models") as reading:
            await reading.whole()
        health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        held[0].cancel()
        await until(lambda: echo.running == 1)
        async with asked(service.http_address, "POST", "/v1/chat/completions", b"{}") as later:
            await later.whole()
        held[1].cancel()

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "OVERLOADED")
    assert refusal.retry.retry_delay.ToSeconds() >= 1
    assert (answer.status, said["error"]["code"], later.status) == (503, "overloaded", 400)
    assert reading.status == 200, "what starts no work is not refused"
    assert "retry-after" in answer.headers
    assert health.status == health_pb2.HealthCheckResponse.SERVING


class Unread(Sequence[Any]):
    """Fields that nobody may look at."""

    def __len__(self) -> int:
        return MAX_METADATA // 32 + 1

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Any: ...
    def __getitem__(self, index: object) -> Any:
        raise AssertionError

    def __iter__(self) -> Iterator[Any]:
        raise AssertionError


def test_metadata_of_too_many_fields_is_not_looked_at() -> None:
    size, metadata = read_metadata(Unread())

    assert size > MAX_METADATA
    assert metadata == {}


def test_the_size_of_metadata_counts_every_field_and_the_first_value_of_a_key_is_kept() -> None:
    fields = [("a", "1"), ("b-bin", b"\0\1"), ("a", "23")]

    assert read_metadata(fields) == (3 * 32 + 1 + 1 + 5 + 2 + 1 + 2, {"a": "1", "b-bin": b"\0\1"})


@pytest.mark.parametrize("option", ["grpc.http2.settings_timeout"])
async def test_core_closes_a_connection_that_does_not_acknowledge_the_settings(option) -> None:
    server = aio.server(options=[(option, 200)])
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    async with opened(address) as (reader, _), asyncio.timeout(10):
        said = await reader.read(-1)
    await server.stop(None)

    assert b"settings_timeout" in said


async def test_freed_memory_is_given_back_after_the_process_has_grown() -> None:
    sizes, trimmed = iter([100, 120, 151, 80, 131, 90]), []

    def measure() -> int:
        return next(sizes, 90)

    task = asyncio.create_task(give_back(measure=measure, trim=trimmed.append, interval=0.001, growth=50))
    await until(lambda: len(trimmed) == 2)
    await asyncio.sleep(0.02)
    task.cancel()

    assert trimmed == [0, 0]


@pytest.mark.skipif(trim_of_libc() is None, reason="the C library has no malloc_trim")
def test_the_size_of_the_process_is_known() -> None:
    assert 10 * 1024**2 < resident() < 64 * 1024**3
