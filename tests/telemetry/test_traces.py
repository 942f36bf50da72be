"""The spans of calls, attempts and operations, as a collector gets them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from collector import Collector, collecting
from dragoman import v1
from dragoman_service.contract import CompletionError, Provider
from dragoman_service.testing import Served, serving
from dragoman_service.testing.scripted import Scripted, choice_finished, delta, usage
from google.rpc import code_pb2
from scripted_upstream import upstream_of
from supervised import ECHO, supervised
from waiting import until

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"
ANSWER = (delta("a"), delta("b"), choice_finished(), usage(3, 2))
BROKEN = CompletionError(code_pb2.UNAVAILABLE, v1.ERROR_REASON_PROVIDER_UNAVAILABLE, "It is down.", retryable=True)


@asynccontextmanager
async def traced(
    scripted: Mapping[str, Provider] | None = None, ratio: float = 1.0, **settings: Any
) -> AsyncIterator[tuple[Served, Collector]]:
    """A service whose spans a collector gets, and that collector."""
    async with collecting() as collector:
        otlp = {"endpoint": collector.url, "traces": ratio}
        async with serving(scripted, {"telemetry": {"otlp": otlp}, **settings}) as service:
            yield service, collector


async def test_a_call_has_a_span_and_its_attempt_has_one_below_it(prompt, logged):
    async with traced({"p": Scripted(*ANSWER)}) as (service, collector):
        await service.completions.CreateCompletion(prompt(model="p/scripted"))
        (call,) = await collector.roots(1)
        (attempt,) = collector.below(call)
        (line,) = logged.records("rpc.done")

    assert (call.name, call.kind, call.parent) == ("dragoman.v1.CompletionService/CreateCompletion", "SERVER", "")
    assert call.attributes == {
        "rpc.system.name": "grpc",
        "rpc.method": "dragoman.v1.CompletionService/CreateCompletion",
        "rpc.response.status_code": "OK",
        "dragoman.call_id": line["call_id"],
    }
    assert call.resource["service.name"] == "dragoman"
    assert line["trace_id"] == call.trace == attempt.trace
    assert (attempt.name, attempt.kind, attempt.failed) == ("chat scripted", "CLIENT", False)
    assert attempt.attributes.pop("gen_ai.response.time_to_first_chunk") > 0
    assert attempt.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "p",
        "gen_ai.request.model": "scripted",
        "gen_ai.request.stream": False,
        "gen_ai.response.id": f"completions/{line['call_id']}",
        "gen_ai.response.model": "scripted",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 2,
        "dragoman.attempt": 1,
        "dragoman.kind": "first",
        "dragoman.outcome": "ok",
    }


async def test_a_stream_over_http_has_the_attributes_of_its_route():
    async with traced() as (service, collector):
        url = f"http://{service.running.http_address}/v1/chat/completions"
        body = {"model": "echo", "stream": True, "messages": [{"role": "user", "content": "one two"}]}
        async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
            await response.read()
        (call,) = await collector.roots(1)
        (attempt,) = collector.below(call)

    assert (call.name, call.kind, call.failed) == ("POST /v1/chat/completions", "SERVER", False)
    assert call.attributes.pop("dragoman.call_id")
    assert call.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
        "url.scheme": "http",
    }
    assert attempt.attributes["gen_ai.request.stream"] is True
    assert attempt.events == ["first_token", "committed"]


async def test_each_attempt_of_a_call_has_a_span(prompt):
    models = {"m": {"targets": ["bad/scripted", "good/scripted"]}}
    providers = {"bad": Scripted(BROKEN), "good": Scripted(*ANSWER)}
    async with traced(providers, models=models) as (service, collector):
        await service.completions.CreateCompletion(prompt(model="m"))
        (call,) = await collector.roots(1)
        attempts = collector.below(call)

    assert not call.failed
    assert [one.attributes["gen_ai.provider.name"] for one in attempts] == ["bad", "bad", "good"]
    assert [one.attributes["dragoman.kind"] for one in attempts] == ["first", "retry", "fallback"]
    assert [one.failed for one in attempts] == [True, True, False]
    assert attempts[1].attributes["error.type"] == "PROVIDER_UNAVAILABLE"
    assert [one.events for one in attempts] == [[], [], ["first_token", "committed"]]


async def test_a_run_of_an_operation_is_a_trace_that_is_linked_to_the_call_that_started_it(prompt):
    async with traced() as (service, collector):
        started = await service.completions.StartCompletion(v1.StartCompletionRequest(request=prompt()))
        found = {span.kind: span for span in await collector.roots(2)}
        call, run = found["SERVER"], found["CONSUMER"]
        (attempt,) = collector.below(run)

    assert run.links == [(call.trace, call.id)]
    assert run.trace != call.trace
    assert (run.name, run.parent) == ("operation", "")
    assert run.attributes == {"dragoman.operation": started.name, "dragoman.run": 1}
    assert call.attributes["dragoman.operation"] == started.name
    assert attempt.trace == run.trace


async def test_an_answer_that_is_replaced_is_retracted(prompt):
    read = asyncio.Event()

    async def fail_once() -> None:
        if not read.is_set():
            await read.wait()
            raise BROKEN

    provider = Scripted(delta("a"), fail_once, *ANSWER[1:])
    models = {"m": {"targets": ["p/scripted"], "rerun_broken": True}}
    async with traced({"p": provider}, models=models) as (service, collector):
        started = await service.completions.StartCompletion(v1.StartCompletionRequest(request=prompt(model="m")))
        async for event in service.completions.AttachCompletion(v1.AttachCompletionRequest(name=started.name)):
            if event.HasField("delta"):
                read.set()
        runs = [span for span in await collector.roots(3) if span.kind == "CONSUMER"]
        attempts = [collector.below(run)[0] for run in runs]

    assert [run.attributes["dragoman.run"] for run in runs] == [1, 2]
    assert runs[0].links == runs[1].links
    assert attempts[0].events == ["first_token", "committed", "retracted"]
    assert attempts[1].events == ["first_token", "committed"]
    assert runs[1].events == ["retracted"]


async def test_calls_that_fail_are_sent_whatever_the_ratio(prompt, refused):
    models = {"m": {"targets": ["bad/scripted", "good/scripted"]}}
    providers = {"bad": Scripted(BROKEN), "good": Scripted(*ANSWER)}
    async with traced(providers, ratio=0.0, models=models) as (service, collector):
        await service.completions.CreateCompletion(prompt(model="good/scripted"))
        await refused(service.completions.CreateCompletion(prompt(model="bad/scripted")))
        await service.completions.CreateCompletion(prompt(model="m"))
        calls = await collector.roots(2)
        attempts = [[one.failed for one in collector.below(call)] for call in calls]

    assert [call.failed for call in calls] == [True, False]
    assert calls[0].attributes["error.type"] == "PROVIDER_UNAVAILABLE"
    assert attempts == [[True, True], [True, True, False]]
    assert len(collector.spans) == 7


async def test_calls_that_are_refused_for_want_of_time_are_not_sent_at_ratio_zero(prompt, refused):
    begun, end = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        begun.set()
        await end.wait()

    scripted = {"p": Scripted(hold, *ANSWER)}
    async with traced(scripted, ratio=0.0, **{"server.max_calls": 1}) as (service, collector):
        held = asyncio.ensure_future(service.completions.CreateCompletion(prompt(model="p/scripted")))
        await begun.wait()
        refusal = await refused(service.completions.CreateCompletion(prompt(model="p/scripted")))
        end.set()
        await held
        await service.running.drain(0, 0)

    assert refusal.reason == "OVERLOADED"
    assert collector.spans == []


async def test_faults_of_callers_are_not_sent_at_ratio_zero(prompt, refused):
    async with traced(ratio=0.0) as (service, collector):
        await refused(service.completions.CreateCompletion(prompt(model="unknown")))
        await service.running.drain(0, 0)

    assert collector.spans == []


@pytest.mark.parametrize(("parent", "ratio", "sent"), [(SAMPLED, 0.0, 1), (UNSAMPLED, 1.0, 0)])
async def test_the_callers_choice_wins_over_the_ratio(prompt, parent, ratio, sent):
    async with traced(ratio=ratio) as (service, collector):
        await service.completions.CreateCompletion(prompt(), metadata=[("traceparent", parent)])
        await service.running.drain(0, 0)

    assert [(span.trace, span.parent) for span in collector.spans if span.kind == "SERVER"] == [(TRACE, SPAN)] * sent


@pytest.mark.parametrize(
    "header",
    [
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"{SAMPLED}-{'x' * 600}",
    ],
)
async def test_a_bad_traceparent_begins_a_new_trace(header, logged):
    async with traced() as (service, collector):
        url = f"http://{service.running.http_address}/v1/models"
        async with aiohttp.ClientSession() as session:
            await session.get(url, headers={"traceparent": header, "tracestate": "a=1"})
        (call,) = await collector.roots(1)

    assert call.trace != TRACE
    assert call.parent == ""
    assert [record for record in logged.records() if "traceparent" in record["event"]] == []


async def test_upstreams_get_the_span_of_the_attempt_and_no_baggage(prompt, refused):
    async with upstream_of(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n") as upstream:
        providers = {"up": {"plugin": "openai", "base_url": upstream.url, "models": ["m"]}}
        async with traced(providers=providers) as (service, collector):
            metadata = [("traceparent", SAMPLED), ("tracestate", "vendor=1"), ("baggage", "secret=1")]
            await refused(service.completions.CreateCompletion(prompt(model="up/m"), metadata=metadata))
            (call,) = await collector.roots(1)
            (attempt,) = collector.below(call)
        headers = upstream.requests[0].headers

    assert headers["traceparent"] == f"00-{TRACE}-{attempt.id}-01"
    assert headers["tracestate"] == "vendor=1"
    assert "baggage" not in headers


@pytest.mark.parametrize("protocol", ["http", "grpc"])
async def test_two_services_in_a_row_make_one_trace(prompt, protocol):
    async with traced() as (inner, collector):
        near = inner.running
        providers = {
            "http": {"plugin": "openai", "base_url": f"http://{near.http_address}/v1", "models": ["echo"]},
            "grpc": {
                "plugin": "yandex",
                "endpoint": near.grpc_address,
                "tls": False,
                "folder_id": "f",
                "api_key": "k",
                "models": ["echo"],
            },
        }
        settings = {"providers": {protocol: providers[protocol]}, "telemetry.otlp.endpoint": collector.url}
        async with serving(settings=settings) as outer:
            await outer.completions.CreateCompletion(prompt(model=f"{protocol}/echo"))
            far = next(span for span in await collector.roots(2) if not span.parent)
            (attempt,) = collector.below(far)
            (call,) = collector.below(attempt)
            (last,) = collector.below(call)

    assert call.kind == "SERVER"
    assert (attempt.kind, last.kind, last.name) == ("CLIENT", "CLIENT", "chat echo")
    assert len({span.trace for span in (far, attempt, call, last)}) == 1


async def test_each_of_several_workers_sends_its_spans(tmp_path, prompt):
    async with collecting() as collector:
        otlp = f'[telemetry.otlp]\nendpoint = "{collector.url}"\n'
        async with supervised(tmp_path, ECHO + otlp) as service:
            await service.wait_until_serving()
            workers = {str(number): pid for number, pid in service.workers.items()}

            async def all_have_sent() -> bool:
                async with service.channels(4) as channels:
                    for channel in channels:
                        await v1.CompletionServiceStub(channel).CreateCompletion(prompt())
                return len({span.resource["process.pid"] for span in collector.spans}) == len(workers)

            await until(all_have_sent)
        sent = {str(span.resource["dragoman.worker"]): span.resource["process.pid"] for span in collector.spans}

    assert sent == workers
