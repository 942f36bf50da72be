"""With `admission.exact` all services that share a store of operations share one limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from dragoman import v1

LIMIT = 6
URGENT = 34  # no standing queue shortens its wait, and a busy machine may make it stand


async def test_two_services_on_one_store_never_exceed_the_limit_and_use_all_of_it(
    start_service: Callable[..., Awaitable[Any]], prompt: Callable[..., v1.CompletionRequest]
) -> None:
    admission = {"concurrency": LIMIT, "exact": True, "queue": {"length": 1000, "wait": "60s"}}
    services = [await start_service({"echo": {"first_delay": "20ms"}}, admission=admission) for _ in range(2)]
    providers = [service.opened.providers["echo"] for service in services]
    asked, seen = prompt("x"), set[int]()
    asked.priority = URGENT

    async def watch() -> None:
        while True:
            seen.add(sum(provider.running for provider in providers))
            await asyncio.sleep(0.001)

    watching = asyncio.create_task(watch())
    async with (
        grpc.aio.insecure_channel(services[0].grpc_address) as first,
        grpc.aio.insecure_channel(services[1].grpc_address) as second,
    ):
        stubs = [v1.CompletionServiceStub(channel) for channel in (first, second)]
        both = [stubs[number % 2].CreateCompletion(asked) for number in range(60)]
        answers = await asyncio.gather(*both)
        alone = await asyncio.gather(*(stubs[0].CreateCompletion(asked) for _ in range(30)))
    watching.cancel()

    assert len(answers) + len(alone) == 90
    assert max(seen) == LIMIT
