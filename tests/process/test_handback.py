"""A server that is told to end hands its running operations to another one, at once, without harm to them."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack

import grpc
import pytest
from dragoman import v1
from sharing import followed, metadata, serving, shared_store, started
from streamed import text_of_events
from waiting import until

WORDS = "word " * 100


@pytest.fixture(params=["sqlite", "postgres"])
async def url(request, tmp_path):
    async with shared_store(request.param, tmp_path, lambda: request.getfixturevalue("postgres")) as url:
        yield url


async def test_another_server_goes_on_with_what_a_server_ran_that_is_told_to_end(tmp_path, url, prompt):
    at_once = 'handback = "0s"'
    async with AsyncExitStack() as stack:
        ending = await stack.enter_async_context(
            serving(tmp_path / "ending", url, at_once, 'grace = "20s"', pace="200ms")
        )
        there = await stack.enter_async_context(grpc.aio.insecure_channel(ending.grpc))
        name = await started(there, prompt(WORDS), max_attempts=1)
        watching = [asyncio.create_task(followed(there, name))]
        await until(lambda: began(there, name))
        # Only now, because it would take the operation as soon as the other does.
        staying = await stack.enter_async_context(serving(tmp_path / "staying", url, pace="5ms"))
        here = await stack.enter_async_context(grpc.aio.insecure_channel(staying.grpc))
        watching.append(asyncio.create_task(followed(here, name)))
        ending.send(signal.SIGTERM)
        taken = await until(lambda: attempts(here, name, 2))
        watched = [await one for one in watching]
        code = await ending.exit_code()
        done = await metadata(here, name)
        again = await followed(here, name)

    assert taken < 5  # a lease lasts a minute
    assert (done.state, done.attempts, done.handbacks) == (v1.CompletionOperationMetadata.STATE_SUCCEEDED, 2, 1)
    assert watched[0] == watched[1] == again
    assert [event.WhichOneof("event") for event in again].count("retracted") == 1
    assert text_of_events(again) == WORDS
    assert code == 0
    assert [(one["operation"], one["attempt"]) for one in ending.logged("operation.handed_back")] == [
        (name.removeprefix("operations/"), 1)
    ]


async def began(channel, name):
    return (await metadata(channel, name)).output_characters


async def attempts(channel, name, number):
    return (await metadata(channel, name)).attempts == number
