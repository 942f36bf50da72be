"""Servers that only take calls and servers that only run operations, over one store."""

from __future__ import annotations

import asyncio

import aiohttp
import grpc
import pytest
from dragoman import v1
from dragoman_service.settings.settings import SettingsError, load
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sharing import followed, metadata, serving, shared_store, started
from streamed import text_of_events
from waiting import until

WORDS = "word " * 60
SUCCEEDED = v1.CompletionOperationMetadata.STATE_SUCCEEDED


@pytest.fixture(params=["sqlite", "postgres"])
async def url(request, tmp_path):
    async with shared_store(request.param, tmp_path, lambda: request.getfixturevalue("postgres")) as url:
        yield url


async def test_what_one_server_starts_another_one_runs_and_the_first_shows_it_live(tmp_path, url, prompt):
    async with (
        serving(tmp_path / "calls", url, server='roles = ["serve"]') as calls,
        grpc.aio.insecure_channel(calls.grpc) as channel,
    ):
        name = await started(channel, prompt(WORDS))
        watching = asyncio.create_task(followed(channel, name))
        live = await v1.CompletionServiceStub(channel).CreateCompletion(prompt("hi"))
        alone = await metadata(channel, name)
        async with serving(tmp_path / "runs", url, server='roles = ["run"]', workers=2) as runs:
            state = await state_with_text(channel, name)
            events = await watching
            done = await metadata(channel, name)
            refused = await status_of(runs.grpc, prompt("hi"))
            health = [await health_of(runs.grpc, service) for service in ("", "dragoman.v1.CompletionService")]
            pages = [await page(runs.http, path) for path in ("/livez", "/readyz", "/metrics", "/v1/models")]
            await until(lambda: runs.logged("operation.done"))
            listed = (await v1.AdminServiceStub(channel).ListWorkers(v1.ListWorkersRequest())).workers
            await until(lambda: is_measured(calls, "dragoman_workers_live", 3))
            step = await calls.measured("dragoman_schema_version")

    assert alone.attempts == 0
    assert live.choices[0].message.parts[0].text == "hi"
    assert state == v1.CompletionOperationMetadata.STATE_RUNNING
    assert text_of_events(events) == WORDS
    assert (done.state, done.attempts) == (SUCCEEDED, 1)
    assert not calls.logged("operation.done")
    assert sorted((*worker.roles, worker.capacity) for worker in listed) == [("run", 64), ("run", 64), ("serve", 0)]
    assert len({worker.id for worker in listed}) == 3
    assert step >= 6
    assert calls.logged("workers.none_runs")
    assert refused is grpc.StatusCode.UNIMPLEMENTED
    assert health == ["SERVING", "NOT_FOUND"]
    assert pages == [200, 200, 200, 404]


async def is_measured(service, name, value):
    return await service.measured(name) == value


async def state_with_text(channel, name):
    """The state of the operation when a part of its answer can be read."""
    shown = await metadata(channel, name)
    while not shown.output_characters:
        await asyncio.sleep(0.02)
        shown = await metadata(channel, name)
    return shown.state


async def status_of(address, request):
    async with grpc.aio.insecure_channel(address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await v1.CompletionServiceStub(channel).CreateCompletion(request)
    return caught.value.code()


async def health_of(address, service):
    async with grpc.aio.insecure_channel(address) as channel:
        asked = health_pb2.HealthCheckRequest(service=service)
        try:
            answer = await health_pb2_grpc.HealthStub(channel).Check(asked)
        except grpc.aio.AioRpcError as error:
            return error.code().name
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


async def page(address, path):
    async with aiohttp.ClientSession() as session, session.get(f"http://{address}{path}") as answer:
        return answer.status


@pytest.mark.parametrize(
    ("roles", "url", "message"),
    [
        (
            [],
            "sqlite:///a.db",
            'server.roles: should name "serve", "run" or both: a server without a role does nothing',
        ),
        (["serve"], "memory:", "server.roles: no other process can share 'memory:', so operations would never run"),
        (["run"], "memory:mine", "server.roles: no other process can share 'memory:mine'"),
        (["rum"], "sqlite:///a.db", "server.roles.0: should be 'serve' or 'run'"),
    ],
)
def test_roles_that_make_no_sense_are_refused(roles, url, message):
    with pytest.raises(SettingsError) as refused:
        load(None, {}, {"server.roles": roles, "operations.url": url})

    assert message in str(refused.value)
