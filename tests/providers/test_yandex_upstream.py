"""The provider `yandex` over real gRPC: what it sends, what it retries, and how it reports faults."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import grpc
import pytest
import trustme
from dragoman import v1
from dragoman_service.contract import CompletionError
from dragoman_service.providers.yandex.provider import open_yandex
from dragoman_service.providers.yandex.settings import YandexSettings
from dragoman_service.settings.types import Address
from pydantic import ValidationError
from waiting import until
from yandex_stand_in import FINAL, StandIn, asked, call, events_of, failing, piece

UNAVAILABLE, LIMITED = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED


def at_once(attempt: int) -> float:
    """Almost no pause after each try."""
    return 0.005


async def failure(provider: Any, until: Any = None) -> CompletionError:
    with pytest.raises(CompletionError) as caught:
        await events_of(provider, until)
    return caught.value


async def test_it_sends_key_folder_and_uri():
    seen = []

    async def look(request, context):
        seen.append(request)
        yield piece("x", FINAL)

    for settings, authorization in (({"api_key": "K"}, "Api-Key K"), ({"iam_token": "T"}, "Bearer T"), ({}, None)):
        upstream = StandIn()
        upstream.pieces = look
        async with upstream.provider(**settings) as provider:
            await events_of(provider)

        assert upstream.metadata[0].get("authorization") == authorization
        assert upstream.metadata[0]["x-folder-id"] == "b1g"
    assert {request.model_uri for request in seen} == {"gpt://b1g/m"}
    assert all(request.completion_options.stream for request in seen)


async def test_the_callers_deadline_is_passed_on():
    upstream = StandIn()
    async with upstream.provider() as provider:
        await events_of(provider, call(5))
        await events_of(provider, call(None))

    assert 5 < upstream.remaining[0] < 6.5
    assert upstream.remaining[1] is None or upstream.remaining[1] > 10**6


@pytest.mark.parametrize("code", [UNAVAILABLE, LIMITED])
async def test_a_call_is_tried_five_times_under_one_key(code):
    upstream = StandIn()
    upstream.pieces = failing(code, 4, upstream.pieces)
    async with upstream.provider(at_once) as provider:
        events = await events_of(provider)
    keys = [metadata["idempotency-key"] for metadata in upstream.metadata]

    assert events[-1].choice_finished.finish_reason == v1.FINISH_REASON_STOP
    assert len(keys) == 5
    assert len(set(keys)) == 1
    assert [metadata.get("x-retry-attempt") for metadata in upstream.metadata] == [None, "1", "2", "3", "4"]


async def test_it_gives_up_after_the_last_try():
    upstream = StandIn()
    upstream.pieces = failing(LIMITED)
    async with upstream.provider(at_once) as provider:
        error = await failure(provider)

    assert len(upstream.metadata) == 5
    assert (error.reason_name, error.retryable) == ("PROVIDER_RATE_LIMITED", True)


@pytest.mark.parametrize("code", ["UNAUTHENTICATED", "INVALID_ARGUMENT", "NOT_FOUND", "INTERNAL", "ABORTED"])
async def test_other_failures_are_reported_at_once(code):
    upstream = StandIn()
    upstream.pieces = failing(grpc.StatusCode[code])
    async with upstream.provider() as provider:
        error = await failure(provider)

    assert len(upstream.metadata) == 1
    assert error.metadata["upstream_status"] == code


async def test_it_does_not_wait_beyond_the_deadline():
    upstream = StandIn()
    upstream.pieces = failing(UNAVAILABLE)
    async with upstream.provider() as provider, asyncio.timeout(1.4):
        error = await failure(provider, call(1.4))  # the first pause alone takes 1.5 s

    assert len(upstream.metadata) == 1
    assert error.reason_name == "PROVIDER_UNAVAILABLE"


async def test_a_refused_connection_is_unavailable():
    settings = YandexSettings(folder_id="f", models=("m",), endpoint=Address("127.0.0.1", 1), tls=False, attempts=1)
    async with open_yandex(settings) as provider:
        error = await failure(provider)

    assert error.reason_name == "PROVIDER_UNAVAILABLE"


@pytest.mark.parametrize("code", [UNAVAILABLE, None])
async def test_an_answer_that_breaks_off_is_no_answer_and_not_tried_again(code):
    async def broken(request, context):
        yield piece("one")
        if code is not None:
            await context.abort(code, "gone")

    upstream = StandIn()
    upstream.pieces = broken
    said = []
    async with upstream.provider() as provider:
        with pytest.raises(CompletionError) as caught:
            async for event in provider.complete(asked(), call()):
                said.append(event)

    assert [event.delta.text for event in said] == ["one"]
    assert caught.value.reason_name == "PROVIDER_STREAM_BROKEN"
    assert not caught.value.retryable
    assert len(upstream.metadata) == 1


async def test_an_upstream_that_dies_breaks_the_answer():
    async def endless(request, context):
        yield piece("one")
        await asyncio.sleep(60)

    upstream = StandIn()
    upstream.pieces = endless
    async with upstream.provider() as provider, aclosing(provider.complete(asked(), call())) as events:
        await anext(events)
        await upstream.server.stop(None)
        with pytest.raises(CompletionError) as caught:
            await anext(events)

    assert caught.value.reason_name == "PROVIDER_STREAM_BROKEN"


@pytest.mark.parametrize(("said", "reason"), [([], "PROVIDER_TIMEOUT"), ([piece("one")], "PROVIDER_IDLE")])
async def test_an_upstream_that_falls_silent_is_given_up(said, reason):
    left = asyncio.Event()

    async def silent(request, context):
        try:
            for one in said:
                yield one
            await asyncio.sleep(60)
        finally:
            left.set()

    upstream = StandIn()
    upstream.pieces = silent
    async with upstream.provider(first_token_timeout=0.05, idle_timeout=0.05) as provider:
        error = await failure(provider)
        await until(left.is_set)

    assert error.reason_name == reason
    assert error.retryable is (reason == "PROVIDER_TIMEOUT")
    assert len(upstream.metadata) == 1


async def test_bytes_that_are_no_answer_are_malformed():
    async def garbage(request, context):
        yield b"\xff\xff"

    upstream = StandIn()
    upstream.pieces = garbage
    async with upstream.provider() as provider:
        error = await failure(provider)

    assert error.reason_name == "PROVIDER_MALFORMED"


async def test_it_uses_tls_with_a_private_ca(start_service, tmp_path):
    authority, other = trustme.CA(), trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    other.cert_pem.write_to_path(str(tmp_path / "other.pem"))
    tls = {"certificate": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}
    service = await start_service(server={"tls": tls})
    told = {"folder_id": "f", "models": ["echo"], "endpoint": service.grpc_address, "attempts": 1}

    async def answer(ca: str) -> list[v1.CompletionEvent]:
        async with open_yandex(YandexSettings(**told, ca_file=tmp_path / ca)) as provider:
            request = asked()
            request.model = "echo"
            return [event async for event in provider.complete(request, call(5))]

    events = await answer("ca.pem")
    with pytest.raises(ValueError, match="no use"):
        YandexSettings(**told, ca_file=tmp_path / "ca.pem", tls=False)
    with pytest.raises(CompletionError) as caught:
        await answer("other.pem")

    assert events[0].delta.text == "count"
    assert caught.value.reason_name == "PROVIDER_UNAVAILABLE"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"models": []}, "models"),
        ({"folder_id": ""}, "folder_id"),
        ({"api_key": "a", "iam_token": "b"}, "not both"),
        ({"endpoint": "somewhere"}, "HOST:PORT"),
        ({"attempts": 0}, "attempts"),
    ],
)
def test_a_mistake_in_the_settings_is_reported(settings, said):
    with pytest.raises(ValidationError) as caught:
        YandexSettings(**{"folder_id": "f", "models": ["m"], **settings})

    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({}, "operation.api.cloud.yandex.net:443"),
        ({"endpoint": "127.0.0.1:5"}, "127.0.0.1:5"),
        ({"endpoint": "127.0.0.1:5", "operations_endpoint": "127.0.0.1:6"}, "127.0.0.1:6"),
    ],
)
def test_operations_are_where_the_service_is(settings, address):
    assert str(YandexSettings(folder_id="f", models=["m"], **settings).operations_address) == address


async def test_the_services_own_key_is_never_the_callers_fault(start_service, refused, prompt):
    key = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"  # of "test"
    upstream = await start_service(access={"keys": [{"id": "team-a", "sha256": key}]})
    table = {"folder_id": "f", "models": ["echo"], "endpoint": upstream.grpc_address, "tls": False, "attempts": 1}
    providers = {
        "right": {"plugin": "yandex", **table, "api_key": "test"},
        "wrong": {"plugin": "yandex", **table, "api_key": "no"},
    }
    async with _service(providers) as channel:
        stub = v1.CompletionServiceStub(channel)
        answer = await stub.CreateCompletion(prompt("hi", model="right/echo"))
        refusal = await refused(stub.CreateCompletion(prompt("hi", model="wrong/echo")))

    assert answer.choices[0].message.parts[0].text == "hi"
    assert answer.system_fingerprint == "echo"
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "PROVIDER_CREDENTIALS")


def _service(providers: dict[str, Any]) -> Any:
    from contextlib import asynccontextmanager

    from dragoman_service.testing.serving import serving

    @asynccontextmanager
    async def channel() -> Any:
        async with serving(settings={"providers": providers}) as served:
            yield served.channel

    return channel()
