"""What operators see: metrics, probes, one log line per call."""

from __future__ import annotations

import asyncio
import io
import json
import threading

import aiohttp
import grpc
import pytest
import structlog
from dragoman import v1
from dragoman_service.telemetry import log
from dragoman_service.telemetry.log import MAX_WAITING, LogWriter, configure
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families
from waiting import until

CANARY = "canary-7f3a"


async def fetch(service, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://{service.http_address}{path}") as response:
        return response.status, await response.text()


async def samples(service) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    _, text = await fetch(service, "/metrics")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def samples_at_rest(service):
    """The samples once no call is under way: callers have their answers a moment before calls are counted."""
    found = {}

    async def at_rest() -> bool:
        found.update(await samples(service))
        return not value(found, "dragoman_inflight")

    await until(at_rest)
    return found


def value(found, name: str, **labels: str) -> float:
    return sum(v for (n, pairs), v in found.items() if n == name and set(labels.items()) <= set(pairs))


async def test_calls_and_tokens_are_counted_under_the_standard_names(start_service, prompt, refused):
    service = await start_service()
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        stub = v1.CompletionServiceStub(channel)
        await stub.CreateCompletion(prompt("one two three"))
        async for _ in stub.StreamCompletion(prompt("one two three")):
            pass
        await refused(stub.CreateCompletion(prompt(model="gpt-17")))
    found = await samples_at_rest(service)

    unary = {"grpc_method": "CreateCompletion", "grpc_type": "unary"}
    assert value(found, "grpc_server_started_total", **unary) == 2
    assert value(found, "grpc_server_handled_total", **unary, grpc_code="OK") == 1
    assert value(found, "grpc_server_handled_total", **unary, grpc_code="NotFound") == 1
    assert value(found, "grpc_server_msg_sent_total", grpc_method="StreamCompletion") >= 4
    model = {"gen_ai_provider_name": "echo", "gen_ai_request_model": "echo", "gen_ai_response_model": "echo"}
    assert value(found, "gen_ai_client_token_usage_count", **model, gen_ai_token_type="output") == 2
    assert value(found, "gen_ai_client_token_usage_sum", **model, gen_ai_token_type="input") == 6
    assert value(found, "gen_ai_client_operation_duration_seconds_count", **model, error_type="") == 2
    assert not [name for name, _ in found if name.endswith("_created")]
    assert value(found, "gen_ai_client_operation_duration_seconds_count", error_type="MODEL_NOT_FOUND") == 1
    assert value(found, "dragoman_provider_attempts_total", provider="echo", outcome="ok", kind="first") == 2
    assert value(found, "dragoman_overhead_seconds_count", method="CreateCompletion") == 2
    assert value(found, "dragoman_inflight") == 0


async def test_calls_over_http_are_counted_under_the_names_of_opentelemetry(start_service):
    service = await start_service()
    body = {"model": "echo", "messages": [{"role": "user", "content": "one two three"}]}
    async with aiohttp.ClientSession(f"http://{service.http_address}") as session:
        for more in ({}, {"stream": True}, {"model": "gpt-17"}, {"n": "odd"}):
            async with session.post("/v1/chat/completions", json=body | more) as answer:
                await answer.read()
        async with session.post("/v1/odd", json=body) as answer:
            await answer.read()
    found = await samples_at_rest(service)

    calls = "http_server_request_duration_seconds_count"
    chat = {"dialect": "openai", "http_route": "/v1/chat/completions", "http_request_method": "POST"}
    assert value(found, calls, **chat) == 4
    assert value(found, calls, **chat, http_response_status_code="200", error_type="") == 2
    assert value(found, calls, **chat, http_response_status_code="404", error_type="MODEL_NOT_FOUND") == 1
    assert value(found, calls, **chat, http_response_status_code="400", error_type="INVALID_FIELD") == 1
    assert value(found, calls, dialect="other", http_route="", http_response_status_code="404", error_type="404") == 1
    assert value(found, calls, http_route="/v1/models/{id}") == 0
    assert ("http_server_active_requests", ("dialect", "openai")) in {
        (name, pairs[0]) for name, pairs in found if pairs
    }
    assert value(found, "http_server_active_requests") == 0
    assert not [
        pairs for name, pairs in found if name.startswith("grpc_server") and ("grpc_service", "openai") in pairs
    ]
    assert value(found, "dragoman_overhead_seconds_count", method="ChatCompletions") == 3, "those that asked a model"
    assert value(found, "gen_ai_client_token_usage_count", gen_ai_token_type="output") == 2


async def test_known_series_start_at_zero(start_service):
    service = await start_service()
    found = await samples(service)

    for method in ("CreateCompletion", "StartCompletion", "ListModels", "GetOperation"):
        names = [name for name, pairs in found if ("grpc_method", method) in pairs]
        assert "grpc_server_started_total" in names
        assert value(found, "grpc_server_started_total", grpc_method=method) == 0
    routes = {
        dict(pairs)["http_route"] for name, pairs in found if name == "http_server_request_duration_seconds_count"
    }
    assert {"/v1/chat/completions", "/dragoman.v1.CompletionService/CreateCompletion"} <= routes
    assert value(found, "dragoman_build_info") == 1
    assert value(found, "dragoman_plugin_state", provider="echo", state="OPEN") == 1


async def test_odd_names_leave_the_number_of_series_alone(start_service, prompt, refused):
    service = await start_service()
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        stub = v1.CompletionServiceStub(channel)

        async def odd(number: int) -> None:
            await refused(stub.CreateCompletion(prompt(model=f"odd-{number}")))
            await refused(channel.unary_unary(f"/odd.Service{number}/Odd")(b""))

        await odd(0)
        before = (await samples(service)).keys()
        for first in range(1, 500, 20):  # all at once would be an overload
            await asyncio.gather(*(odd(number) for number in range(first, first + 20)))
        more = (await samples(service)).keys() - before

    assert not any("odd" in text.lower() for _, labels in more for _, text in labels)
    assert len(more) < 20  # on a busy machine a few calls may be an overload, which has series of its own


async def test_probes_tell_alive_and_ready_apart(start_service):
    service = await start_service()
    live, ready = await fetch(service, "/livez"), await fetch(service, "/readyz")
    drain = asyncio.create_task(service.drain(0.5, 1))
    await asyncio.sleep(0)
    draining, still_live = await fetch(service, "/readyz"), await fetch(service, "/livez")
    await drain

    assert (live[0], ready[0]) == (200, 200)
    assert draining == (503, "draining\n")
    assert still_live[0] == 200


async def test_without_the_store_of_operations_only_what_needs_it_is_not_ready(start_service, tmp_path, prompt):
    service = await start_service()
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        health = health_pb2_grpc.HealthStub(channel)

        async def serving(name: str) -> bool:
            answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
            return answer.status == health_pb2.HealthCheckResponse.SERVING

        async def not_serving(name: str) -> bool:
            return not await serving(name)

        await until(lambda: serving("google.longrunning.Operations"))
        before = await fetch(service, "/readyz/operations")
        usable = value(await samples(service), "dragoman_operations_store_up")
        (tmp_path / "operations.db").unlink()
        await until(lambda: not_serving("google.longrunning.Operations"))
        after = await fetch(service, "/readyz/operations")
        others = await fetch(service, "/readyz"), await serving(""), await serving("dragoman.v1.CompletionService")
        completion = await v1.CompletionServiceStub(channel).CreateCompletion(prompt())

    assert before == (200, "ok\n")
    assert (usable, value(await samples(service), "dragoman_operations_store_up")) == (1, 0)
    assert after == (503, "the store of operations cannot be used\n")
    assert others == ((200, "ok\n"), True, True)
    assert completion.choices


async def test_without_a_usable_provider_the_service_is_alive_and_not_ready(start_service, prompt, refused):
    service = await start_service({"local": {"path": "/nonexistent/model.gguf"}})
    ready = await fetch(service, "/readyz")
    found = await samples(service)
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        refusal = await refused(v1.CompletionServiceStub(channel).CreateCompletion(prompt(model="local")))

    assert ready == (503, "no provider is ready\n")
    assert value(found, "dragoman_plugin_state", provider="local", state="FAILED") == 1
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "NO_PROVIDER_AVAILABLE")


@pytest.fixture
def log_lines():
    stream = io.StringIO()
    writer = configure("info", "json", lambda: None, stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.reset_defaults()
    writer.close()


async def test_each_call_writes_one_json_line_without_prompt_answer_or_key(start_service, prompt, refused, log_lines):
    def done():
        return [line for line in log_lines() if line["event"] == "rpc.done"]

    service = await start_service()
    metadata = [("authorization", f"Bearer {CANARY}"), ("x-odd", f"{CANARY}\\r\\n")]
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        stub = v1.CompletionServiceStub(channel)
        await stub.CreateCompletion(prompt(f"{CANARY} said"), metadata=metadata)
        async for _ in stub.StreamCompletion(prompt(f"{CANARY} said"), metadata=metadata):
            pass
        await refused(stub.CreateCompletion(prompt(CANARY, temperature=9), metadata=metadata))
        await until(lambda: len(done()) == 3)
    first, second, third = done()

    assert [first["code"], second["code"], third["code"]] == ["OK", "OK", "InvalidArgument"]
    assert CANARY not in json.dumps(log_lines())
    assert {"ts", "level", "call_id", "caller", "method", "duration_ms", "provider", "output_tokens"} <= set(first)
    assert first["finish_reason"] == "STOP"
    assert second["ttft_ms"] <= second["duration_ms"]


async def test_planted_secrets_are_redacted(log_lines):
    structlog.get_logger("x").info("oops", authorization=f"Bearer {CANARY}", api_key=CANARY)
    await until(log_lines)

    assert CANARY not in json.dumps(log_lines())
    assert log_lines()[0]["event"] == "oops"


@pytest.mark.parametrize("level", ["info", "warning"])
def test_the_fast_path_writes_the_same_line_as_structlog(level):
    stream = io.StringIO()
    writer = configure(level, "json", lambda: None, stream, worker=3)
    facts = {"call_id": "r", "duration_ms": 0.5, "peer": "é\n", "Token": CANARY}
    structlog.get_logger("x").info("rpc.done", **facts)
    log.info("rpc.done", facts)
    structlog.reset_defaults()
    writer.close()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]

    assert len(lines) == (2 if level == "info" else 0)
    for line in lines:
        assert list(line) == [*facts, "event", "level", "ts", "worker"]
        told = {"event": "rpc.done", "level": "info", "ts": line["ts"], "worker": 3}
        assert line == {**facts, "Token": "[redacted]", **told}
        assert line["ts"].endswith("Z")


class StuckPipe(io.StringIO):
    """Blocks every write until it is freed."""

    def __init__(self):
        super().__init__()
        self.asked, self.freed, self.writes = threading.Event(), threading.Event(), []

    def write(self, text: str) -> int:
        self.asked.set()
        assert self.freed.wait(10)
        self.writes.append(text)
        return len(text)


def test_a_stuck_log_pipe_gets_the_waiting_lines_in_one_write_and_the_rest_are_counted():
    dropped = []
    pipe = StuckPipe()
    writer = LogWriter(pipe, lambda: dropped.append(1))
    writer.msg("first")
    assert pipe.asked.wait(10)
    for number in range(MAX_WAITING + 5):
        writer.msg(f"line {number}")
    pipe.freed.set()
    writer.close()

    assert len(dropped) == 5
    assert pipe.writes == ["first\n", "".join(f"line {number}\n" for number in range(MAX_WAITING))]


def test_a_closed_log_pipe_costs_lines_and_nothing_else():
    dropped = []

    class Closed(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    writer = LogWriter(Closed(), lambda: dropped.append(1))
    for _ in range(3):
        writer.msg("line")
    writer.close()

    assert len(dropped) == 3
