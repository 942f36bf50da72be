"""Limits on what is under way, at a service: who is served, who waits, who is refused, and what callers see."""

import asyncio
import hashlib
from contextlib import asynccontextmanager

import aiohttp
import grpc
import pytest
from dragoman import AsyncClient, ResourceExhaustedError, v1
from dragoman_service.settings.settings import SettingsError, load
from dragoman_service.testing import Scripted, choice_finished, delta, serving
from google.longrunning import operations_pb2
from google.rpc import error_details_pb2, status_pb2
from waiting import until


class Held(Scripted):
    """Answers when it is released."""

    def __init__(self):
        self.gate = asyncio.Event()
        super().__init__(self.gate.wait, delta("yes"), choice_finished())


@asynccontextmanager
async def limited(settings):
    provider = Held()
    async with serving({"vendor": provider}, settings) as served:
        yield served, provider


def ask(served, **fields):
    request = v1.CompletionRequest(model=fields.pop("model", "vendor/scripted"), **fields)
    request.messages.add(role=v1.ROLE_USER).parts.add(text="hi")
    return asyncio.ensure_future(served.completions.CreateCompletion(request, timeout=10))


def details(error):
    status = status_pb2.Status()
    status.ParseFromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for detail in status.details:
        detail.Unpack(info), detail.Unpack(retry)
    return info.reason, retry.retry_delay.ToMilliseconds()


async def queue(served, name):
    stub = v1.AdminServiceStub(served.channel)
    return next(each for each in (await stub.ListQueues(v1.ListQueuesRequest())).queues if each.name == name)


async def waiting(served, name, count):
    async with asyncio.timeout(5):
        while sum(band.length for band in (await queue(served, name)).bands) != count:
            await asyncio.sleep(0.01)


PLACES = [
    ("service", {"admission.concurrency": 1}, "vendor/scripted"),
    ("models/m", {"models": {"m": {"targets": ["vendor/scripted"], "concurrency": 1}}}, "m"),
    ("targets/vendor/scripted", {"admission": {"targets": {"vendor/scripted": {"concurrency": 1}}}}, "vendor/scripted"),
]


@pytest.mark.parametrize(("name", "settings", "model"), PLACES)
async def test_what_has_no_slot_waits_and_is_served_when_one_is_free(name, settings, model):
    async with limited(settings) as (served, provider):
        answers = [ask(served, model=model) for _ in range(3)]
        await waiting(served, name, 2)
        running, seen = provider.running, await queue(served, name)
        provider.gate.set()
        completions = await asyncio.gather(*answers)
        after = await queue(served, name)

    assert running == 1
    assert (seen.limit, seen.in_flight) == (1, 1)
    assert len(completions) == 3
    assert after.in_flight == 0


@pytest.mark.parametrize(("name", "settings", "model"), PLACES)
async def test_a_full_queue_refuses_and_says_when_to_try_again(name, settings, model):
    settings = settings | {"admission.queue": {"length": 1}}
    async with limited(settings) as (served, provider):
        answers = [ask(served, model=model) for _ in range(2)]
        await waiting(served, name, 1)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(served, model=model)
        provider.gate.set()
        await asyncio.gather(*answers)

    reason, delay = details(refused.value)
    assert (refused.value.code(), reason) == (grpc.StatusCode.UNAVAILABLE, "OVERLOADED")
    assert delay >= 1000
    assert dict(refused.value.trailing_metadata())["grpc-retry-pushback-ms"] == str(delay)


@pytest.mark.parametrize(("name", "settings", "model"), PLACES)
async def test_callers_that_leave_free_their_slot_and_their_place(name, settings, model):
    async with limited(settings) as (served, provider):
        running, leaving, last = (ask(served, model=model) for _ in range(3))
        await waiting(served, name, 2)
        leaving.cancel()
        await waiting(served, name, 1)
        running.cancel()
        await waiting(served, name, 0)
        provider.gate.set()
        await last
        seen = await queue(served, name)

    assert seen.in_flight == 0


async def test_a_wait_ends_after_the_time_in_the_settings():
    async with limited({"admission.concurrency": 1, "admission.queue": {"wait": "50ms"}}) as (served, provider):
        first = ask(served)
        await until(lambda: provider.running)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(served)
        provider.gate.set()
        await first

    assert details(refused.value)[0] == "OVERLOADED"


async def test_heartbeats_tell_a_waiting_stream_its_place_and_then_that_the_provider_works():
    async with limited({"admission.concurrency": 1}) as (served, provider):
        first = ask(served)
        await until(lambda: provider.running)
        request = v1.CompletionRequest(model="vendor/scripted")
        request.messages.add(role=v1.ROLE_USER).parts.add(text="hi")
        request.stream_options.heartbeat_interval.seconds = 1
        stream = served.completions.StreamCompletion(request, timeout=10)
        events = aiter(stream)
        beat = await anext(events)
        first.cancel()
        second = await anext(events)
        provider.gate.set()
        rest = [event.WhichOneof("event") async for event in events]

    assert (beat.heartbeat.phase, beat.heartbeat.queue_position) == (v1.Heartbeat.PHASE_QUEUED, 0)
    assert beat.heartbeat.waited.ToMilliseconds() >= 900
    assert second.heartbeat.phase == v1.Heartbeat.PHASE_WAITING_FOR_PROVIDER or second.HasField("started")
    assert rest[-1] == "finished"


async def test_a_drain_refuses_what_waits_at_once():
    async with limited({"admission.concurrency": 1}) as (served, provider):
        first = ask(served)
        await until(lambda: provider.running)
        second = ask(served)
        await waiting(served, "service", 1)
        draining = asyncio.ensure_future(served.running.drain(0, 5))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await second
        provider.gate.set()
        await first
        await draining

    assert details(refused.value)[0] == "SHUTTING_DOWN"


async def test_a_key_with_too_many_requests_is_told_that_they_are_its_own():
    key = "secret-of-team-a"
    keys = [{"id": "team-a", "sha256": hashlib.sha256(key.encode()).hexdigest(), "concurrency": 1}]
    async with limited({"access": {"keys": keys}}) as (served, provider):
        metadata = (("authorization", f"Bearer {key}"),)
        request = v1.CompletionRequest(model="vendor/scripted")
        request.messages.add(role=v1.ROLE_USER).parts.add(text="hi")
        first = asyncio.ensure_future(served.completions.CreateCompletion(request, metadata=metadata))
        await until(lambda: provider.running)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await served.completions.CreateCompletion(request, metadata=metadata)
        async with aiohttp.ClientSession() as session:
            body = {"model": "vendor/scripted", "messages": [{"role": "user", "content": "hi"}]}
            url = f"http://{served.running.http_address}/v1/chat/completions"
            async with session.post(url, json=body, headers=dict(metadata)) as answer:
                status, headers = answer.status, answer.headers
        provider.gate.set()
        await first
        await served.completions.CreateCompletion(request, metadata=metadata)

    assert (refused.value.code(), details(refused.value)[0]) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    assert status == 429
    assert int(headers["retry-after"]) >= 1


async def test_over_http_a_full_queue_is_a_503_that_says_when_to_try_again():
    async with limited({"admission": {"concurrency": 1, "queue": {"length": 0}}}) as (served, provider):
        first = ask(served)
        await until(lambda: provider.running)
        async with aiohttp.ClientSession() as session:
            body = {"model": "vendor/scripted", "messages": [{"role": "user", "content": "hi"}]}
            async with session.post(f"http://{served.running.http_address}/v1/chat/completions", json=body) as answer:
                status, headers = answer.status, answer.headers
        provider.gate.set()
        await first

    assert status == 503
    assert int(headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"providers.echo.concurrency": 0}, "providers.echo.concurrency"),
        ({"providers.echo.concurrency": {"min": 4, "max": 2}}, "providers.echo.concurrency"),
        ({"providers.echo.queue": {"length": 3}}, "providers.echo.concurrency"),
        ({"admission.targets": {"echo": {"concurrency": 2}}}, "admission.targets"),
        ({"admission.queue": {"lenght": 3}}, "admission.queue.lenght"),
    ],
)
def test_wrong_limits_are_named(wrong, path):
    with pytest.raises(SettingsError) as mistakes:
        load(overrides=wrong)

    assert path in str(mistakes.value)


async def test_operations_share_the_slots_of_a_target_and_wait_for_them_without_a_bound():
    settings = {"admission": {"targets": {"vendor/scripted": {"concurrency": 1, "queue": {"length": 0}}}}}
    async with limited(settings) as (served, provider):
        request = v1.StartCompletionRequest()
        request.request.model = "vendor/scripted"
        request.request.messages.add(role=v1.ROLE_USER).parts.add(text="hi")
        operations = [await served.completions.StartCompletion(request) for _ in range(3)]
        await waiting(served, "targets/vendor/scripted", 2)
        running = provider.running
        provider.gate.set()
        ended = [
            await served.operations.WaitOperation(operations_pb2.WaitOperationRequest(name=operation.name), timeout=10)
            for operation in operations
        ]

    assert running == 1
    assert all(operation.HasField("response") for operation in ended)


async def test_the_python_client_shows_which_limit_is_used_up_and_when_to_come_back(start_service):
    key = {"id": "team", "sha256": hashlib.sha256(b"key").hexdigest(), "concurrency": 1}
    service = await start_service({"echo": {"first_delay": "5s"}}, access={"keys": [key]})
    async with AsyncClient(service.grpc_address, api_key="key") as client:
        first = asyncio.create_task(client.complete("one", model="echo"))
        await until(lambda: service.opened.providers["echo"].running)
        with pytest.raises(ResourceExhaustedError) as refused:
            await client.complete("two", model="echo")
        first.cancel()

    assert refused.value.reason == "RATE_LIMITED"
    assert [violation.subject for violation in refused.value.quota] == ["concurrency"]
    assert refused.value.retry_after is not None


POLICY = """{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 4, "initialBackoff": "0.01s",
 "maxBackoff": "0.01s", "backoffMultiplier": 1, "retryableStatusCodes": ["RESOURCE_EXHAUSTED"]}}]}"""


async def test_grpc_clients_with_a_retry_policy_do_not_repeat_what_a_quota_refuses(start_service):
    service = await start_service(operations={"max_stored": 1})
    options = [("grpc.enable_retries", 1), ("grpc.service_config", POLICY)]
    async with grpc.aio.insecure_channel(service.grpc_address, options=options) as channel:
        stub = v1.CompletionServiceStub(channel)
        request = v1.StartCompletionRequest(request=v1.CompletionRequest(model="echo", prompt="x"))
        await stub.StartCompletion(request, timeout=20)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.StartCompletion(request, timeout=20)
    counted = await _metric(
        service, 'grpc_server_handled_total{grpc_code="ResourceExhausted",grpc_method="StartCompletion"'
    )

    assert details(refused.value)[0] == "QUOTA_EXHAUSTED"
    assert counted == 1


async def _metric(service, start):
    url = f"http://{service.http_address}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        lines = (await response.text()).splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(start))
