"""What callers say in headers, and what they are told in headers beside the answer."""

from __future__ import annotations

import asyncio

import aiohttp
import grpc
import pytest
from dragoman import v1
from google.protobuf.duration_pb2 import Duration

SELDOM = v1.StreamOptions(heartbeat_interval=Duration(seconds=61))
MODELS = {"best": {"targets": ["a/echo", "b/echo"]}}
FAILING = {"plugin": "echo", "fail_after": 0, "fail_code": "FAILED_PRECONDITION", "fail_reason": "PROVIDER_QUOTA"}


async def _ask(service, headers=None, **body):
    asked = {"model": "best", "messages": [{"role": "user", "content": "one two"}], **body}
    url = f"http://{service.http_address}/v1/chat/completions"
    async with aiohttp.ClientSession() as session, session.post(url, json=asked, headers=headers) as response:
        return response.status, response.headers, await response.text()


@pytest.mark.parametrize("stream", [False, True])
async def test_an_http_answer_names_the_provider_and_the_attempts_in_its_head(start_service, stream):
    service = await start_service({"a": FAILING, "b": {"plugin": "echo"}}, models=MODELS)
    status, headers, _ = await _ask(service, stream=stream)

    assert (status, headers["x-dragoman-provider"], headers["x-dragoman-attempts"]) == (200, "b", "2")


async def test_a_session_in_a_header_keeps_its_target(start_service):
    providers = {name: {"plugin": "echo"} for name in "abcd"}
    models = {"best": {"targets": [f"{name}/echo" for name in providers], "choose": "weighted"}}
    service = await start_service(providers, models=models)
    for name in ("x-session-id", "x-session-affinity"):
        seen = [{(await _ask(service, {name: f"s{n}"}))[1]["x-dragoman-provider"] for _ in range(3)} for n in range(6)]

        assert all(len(targets) == 1 for targets in seen)
        assert len(set().union(*seen)) > 1


async def test_a_session_in_metadata_keeps_its_target(start_service):
    providers = {name: {"plugin": "echo"} for name in "abcd"}
    models = {"best": {"targets": [f"{name}/echo" for name in providers], "choose": "weighted"}}
    service = await start_service(providers, models=models)
    request = v1.CompletionRequest(model="best", prompt="one")
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        ask = v1.CompletionServiceStub(channel).CreateCompletion
        seen = {(await ask(request, metadata=(("x-session-id", "s"),), timeout=20)).provider for _ in range(8)}

    assert len(seen) == 1


@pytest.mark.parametrize("priority", ["high", "1.5", "101", "-101", "1_0", "٣"])
async def test_a_priority_that_is_none_is_refused(start_service, priority):
    service = await start_service()
    status, _, text = await _ask(service, {"x-dragoman-priority": priority}, model="echo")

    assert status == 400
    assert "x-dragoman-priority" in text


async def test_a_low_priority_in_a_header_goes_to_the_low_band(start_service):
    admission = {"targets": {"echo/echo": {"concurrency": 1}}}
    service = await start_service({"echo": {"first_delay": "100ms"}}, admission=admission)
    await asyncio.gather(*(_ask(service, {"x-dragoman-priority": "-50"}, model="echo") for _ in range(2)))
    async with aiohttp.ClientSession() as session, session.get(f"http://{service.http_address}/metrics") as response:
        metrics = await response.text()

    assert 'band="low"' in metrics


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("priority", v1.CompletionRequest(priority=101)),
        ("routing.max_attempts", v1.CompletionRequest(routing=v1.RoutingOptions(max_attempts=0))),
        ("routing.only[0]", v1.CompletionRequest(routing=v1.RoutingOptions(only=["x" * 257]))),
        (
            "stream_options.heartbeat_interval",
            v1.CompletionRequest(stream_options={"heartbeat_interval": {"seconds": 61}}),
        ),
    ],
)
async def test_a_wrong_field_of_routing_is_named(channel, refused, field, wrong):
    wrong.MergeFrom(v1.CompletionRequest(model="echo", prompt="x"))
    refusal = await refused(v1.CompletionServiceStub(channel).CreateCompletion(wrong))

    assert [each.field for each in refusal.bad.field_violations] == [field]


async def test_a_repeated_request_may_have_another_session_and_priority(start_service):
    service = await start_service()
    first = await _ask(service, {"Idempotency-Key": "k", "x-session-id": "a"}, model="echo")
    again = await _ask(
        service, {"Idempotency-Key": "k", "x-session-id": "b", "x-dragoman-priority": "-9"}, model="echo"
    )

    assert (first[0], again[0]) == (200, 200)
    assert first[2] == again[2]
