"""The log line of a call whose caller left early, and of a call that an operation answers."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
import structlog
from dragoman import v1
from dragoman_service.telemetry.log import configure
from raw_http import asked
from waiting import until

SLOW = {"echo": {"delay": "20ms"}}
CHAT = {"model": "echo", "messages": [{"role": "user", "content": "one two three " * 200}], "stream": True}


@pytest.fixture
def calls() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Returns the log lines of the calls so far."""
    stream = io.StringIO()
    writer = configure("info", "json", lambda: None, stream)
    lines = lambda: map(json.loads, stream.getvalue().splitlines())  # noqa: E731
    yield lambda: [line for line in lines() if line["event"] == "rpc.done"]
    structlog.reset_defaults()
    writer.close()


def check(line: dict[str, Any]) -> None:
    assert (line["provider"], line["model_requested"], line["model_served"]) == ("echo", "echo", "echo")
    assert 1 <= line["output_tokens"] < 100
    assert 0 < line["ttft_ms"] <= line["duration_ms"]


async def test_the_line_of_a_caller_over_grpc_who_left_tells_what_was_used(start_service, prompt, calls) -> None:
    service = await start_service(SLOW)
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        stream = v1.CompletionServiceStub(channel).StreamCompletion(prompt("one two three " * 200))
        async for event in stream:
            if event.HasField("delta"):
                break
        stream.cancel()
        await until(calls)
    (line,) = calls()

    assert (line["code"], line["cancelled_by"]) == ("Cancelled", "caller")
    check(line)


async def test_the_line_of_a_caller_over_http_who_left_tells_what_was_used(start_service, calls) -> None:
    service = await start_service(SLOW)
    async with asked(service.http_address, "POST", "/v1/chat/completions", CHAT) as answer:
        for _ in range(3):
            await answer.piece()
    await until(calls)
    (line,) = calls()

    assert (line["code"], line["cancelled_by"]) == ("Cancelled", "caller")
    check(line)


async def test_the_line_of_a_call_that_an_operation_answers_names_it(start_service, prompt, calls) -> None:
    service = await start_service()
    request = prompt()
    request.request_id = "r"
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        stub = v1.CompletionServiceStub(channel)
        await stub.CreateCompletion(request)
        async for _ in stub.StreamCompletion(request):
            pass
        started = await stub.StartCompletion(v1.StartCompletionRequest(request=request))
        await until(lambda: len(calls()) == 3)

    assert [(line["operation"], line["model_requested"]) for line in calls()] == [(started.name, "echo")] * 3
