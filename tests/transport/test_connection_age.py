"""A gRPC connection that is old takes no further calls, and loses none of those that run."""

from __future__ import annotations

import asyncio

import grpc
from dragoman import v1
from dragoman_service.testing import serving
from service_log import service_log


def asked(words: int) -> v1.CompletionRequest:
    request = v1.CompletionRequest(model="echo")
    request.messages.add(role=v1.ROLE_USER).parts.add(text="word " * words)
    return request


async def test_an_old_connection_is_replaced_while_its_stream_goes_on() -> None:
    settings = {"server.max_connection_age": "1s", "providers": {"echo": {"delay": "20ms"}}}
    with service_log() as log:
        async with serving(None, settings) as served:
            stream = served.completions.StreamCompletion(asked(100))  # two seconds
            events = [await stream.read()]
            async with asyncio.timeout(10):
                while len({record["peer"] for record in log.records("rpc.done")}) < 2:
                    await served.completions.CreateCompletion(asked(1))
                    await asyncio.sleep(0.1)
            running = not stream.done()
            while (event := await stream.read()) is not grpc.aio.EOF:
                events.append(event)

    assert running, "calls went to another connection while the stream was under way on its own"
    assert events[-1].finished.HasField("completion")
