"""A prompt of megabytes does not keep the event loop of `echo` from serving others."""

from __future__ import annotations

import asyncio
import time

from dragoman import v1
from dragoman_service.contract import Call
from dragoman_service.providers.echo.provider import Echo

LONG = v1.CompletionRequest(
    messages=[v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="a " * 500_000)])],
    generation_config=v1.GenerationConfig(max_output_tokens=3),
)


async def longest_gap(work: asyncio.Task[None]) -> float:
    """The longest time for which the loop did nothing else, as a share of the time that the work took."""
    began = last = time.monotonic()
    longest = 0.0
    while not work.done():
        await asyncio.sleep(0)
        now = time.monotonic()
        longest, last = max(longest, now - last), now
    await work
    return longest / (time.monotonic() - began)


async def test_the_loop_goes_on_while_a_long_prompt_is_split() -> None:
    async def ask() -> None:
        async for _ in Echo().complete(LONG, Call(id="test", caller="test")):
            pass

    assert await longest_gap(asyncio.create_task(ask())) < 0.5
