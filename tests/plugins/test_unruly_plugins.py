"""Plugins that raise SystemExit, KeyboardInterrupt or a BaseException of their own while the service runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from dragoman import text_of, v1
from plugin_calls import request_for, status_of
from scratch_environment import ScratchEnvironment, Service

PLACES, FAULTS = ("models", "complete", "task"), ("exit", "interrupt", "own")
SETTINGS = """
[server]
drain_delay = "0s"
workers = WORKERS
[log]
format = "json"
[plugins]
open_timeout = "5s"
[providers.echo]
""" + "".join(
    f'[providers.{place}-{fault}]\nplugin = "unruly"\nplace = "{place}"\nfault = "{fault}"\n'
    for place in PLACES
    for fault in FAULTS
)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> ScratchEnvironment:
    environment = ScratchEnvironment(tmp_path_factory.mktemp("unruly"))
    environment.install(Path(__file__).parent / "broken_provider")
    return environment


@pytest.fixture(scope="module", params=[1, 2], ids=["single", "workers"])
def service(environment: ScratchEnvironment, request: pytest.FixtureRequest) -> Iterator[Service]:
    with environment.serving(SETTINGS.replace("WORKERS", str(request.param))) as service:
        yield service


@pytest.fixture(scope="module")
def channel(service: Service) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(service.address) as channel:
        yield channel


@pytest.fixture(scope="module")
def stub(channel: grpc.Channel) -> v1.CompletionServiceStub:
    return v1.CompletionServiceStub(channel)


@pytest.mark.parametrize("fault", FAULTS)
def test_what_complete_raises_fails_its_call_alone(
    stub: v1.CompletionServiceStub, service: Service, fault: str
) -> None:
    for _ in range(3):
        with pytest.raises(grpc.RpcError) as caught:
            stub.CreateCompletion(request_for(f"complete-{fault}/unruly", "Hello"), timeout=10)

        assert status_of(caught.value)[1].reason == "PLUGIN_FAILED"
        assert text_of(stub.CreateCompletion(request_for("echo/echo", "Hello"), timeout=10)) == "Hello"
    assert service.logs(lambda line: line["event"] == "plugin.failed" and line.get("provider") == f"complete-{fault}")


@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_task_of_a_plugin_raises_fails_nothing_else(stub: v1.CompletionServiceStub, fault: str) -> None:
    for _ in range(3):
        answer = stub.CreateCompletion(request_for(f"task-{fault}/unruly", "Hello"), timeout=10)

        assert text_of(answer) == "Still here"


@pytest.mark.parametrize(("fault", "name"), [("exit", "SystemExit"), ("interrupt", "KeyboardInterrupt")])
def test_the_log_tells_what_a_task_raised(
    stub: v1.CompletionServiceStub, service: Service, fault: str, name: str
) -> None:
    stub.CreateCompletion(request_for(f"task-{fault}/unruly", "Hello"), timeout=10)

    assert service.logs(
        lambda line: (
            line["event"] == "plugin.failed"
            and f"a task raised {name}" in line.get("reason", "")
            and "broken_provider" in line["exception"]
        )
    )


def test_models_that_raises_hides_only_its_own(channel: grpc.Channel) -> None:
    listed = v1.ModelServiceStub(channel).ListModels(v1.ListModelsRequest(), timeout=10)

    assert {model.provider for model in listed.models} == {
        "echo",
        *(f"{place}-{fault}" for place in ("complete", "task") for fault in FAULTS),
    }
    assert sorted(listed.unreachable) == sorted(f"models-{fault}" for fault in FAULTS)


def test_frontends_that_cannot_be_mounted_are_left_out_and_logged(
    stub: v1.CompletionServiceStub, service: Service
) -> None:
    failed = {
        line["plugin"]: line["reason"]
        for line in service.log
        if line["event"] == "plugin.failed" and line.get("kind") == "frontend"
    }

    assert failed == {
        "mounting": "SystemExit: no room for me",
        "tardy": "TypeError: broken_provider:mount_late is a coroutine function",
    }
    assert text_of(stub.CreateCompletion(request_for("echo/echo", "Hello"), timeout=10)) == "Hello"
