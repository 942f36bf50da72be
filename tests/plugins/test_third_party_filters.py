"""Filters of another package: working ones wrap every completion, a broken one keeps the service from starting."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from dragoman import v1
from google.rpc.status_pb2 import Status
from plugin_calls import request_for, status_of
from scratch_environment import ScratchEnvironment, Service

SETTINGS = """
[server]
drain_delay = "0s"
workers = WORKERS
[log]
format = "json"
[providers.echo]
[filters.second]
plugin = "mark"
mark = "b"
[filters.first]
plugin = "mark"
mark = "a"
count = true
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> ScratchEnvironment:
    environment = ScratchEnvironment(tmp_path_factory.mktemp("filters"))
    environment.install(Path(__file__).parent / "acme_filter")
    return environment


@pytest.fixture(scope="module", params=[1, 2], ids=["single", "workers"])
def service(environment: ScratchEnvironment, request: pytest.FixtureRequest) -> Iterator[Service]:
    with environment.serving(SETTINGS.replace("WORKERS", str(request.param))) as service:
        yield service


@pytest.fixture(scope="module")
def stub(service: Service) -> Iterator[v1.CompletionServiceStub]:
    with grpc.insecure_channel(service.address) as channel:
        yield v1.CompletionServiceStub(channel)


def refused(stub: v1.CompletionServiceStub, text: str) -> tuple[Status, str]:
    with pytest.raises(grpc.RpcError) as caught:
        stub.CreateCompletion(request_for("echo/echo", text), timeout=10)
    status, info = status_of(caught.value)
    return status, info.reason


def test_filters_wrap_in_the_order_of_their_tables_the_first_outermost(stub: v1.CompletionServiceStub) -> None:
    whole = stub.CreateCompletion(request_for("echo/echo", "!"), timeout=10)
    events = list(stub.StreamCompletion(request_for("echo/echo", "!"), timeout=10))

    assert whole.choices[0].message.parts[0].text == "ba!"
    assert events[-1].finished.completion.choices == whole.choices


def test_metrics_of_a_filter_are_shown_with_those_of_the_service(
    stub: v1.CompletionServiceStub, service: Service
) -> None:
    before = marks(service)
    stub.CreateCompletion(request_for("echo/echo", "!"), timeout=10)

    assert marks(service) == before + 1


def marks(service: Service) -> float:
    with urllib.request.urlopen(f"http://{service.http_address}/metrics", timeout=10) as response:
        lines = response.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("acme_marks_total"))


def test_an_error_of_a_filter_reaches_the_caller(stub: v1.CompletionServiceStub) -> None:
    status, reason = refused(stub, "refuse")

    assert (status.code, status.message, reason) == (3, "Nothing is marked twice.", "PROVIDER_REJECTED")


def test_a_filter_that_raises_anything_else_fails_its_call_alone(
    stub: v1.CompletionServiceStub, service: Service
) -> None:
    status, reason = refused(stub, "stumble")

    assert (status.code, reason) == (13, "PLUGIN_FAILED")
    assert "hunter2" not in str(status)
    assert service.logs(lambda line: line["event"] == "plugin.failed" and "hunter2" in str(line))
    assert stub.CreateCompletion(request_for("echo/echo", "?"), timeout=10).choices[0].message.parts[0].text == "ba?"


@pytest.mark.parametrize(
    ("text", "reason", "logged"),
    [
        ("quit", "PLUGIN_FAILED", "SystemExit: enough"),
        ("interrupt", "PLUGIN_FAILED", "KeyboardInterrupt"),
        ("pretend", "PLUGIN_FAILED", "UNAUTHENTICATED CREDENTIALS_INVALID, which only the service itself may raise"),
        ("confuse", "PROVIDER_MALFORMED", ""),
    ],
)
def test_nothing_that_a_filter_does_ends_more_than_its_call(
    text: str, reason: str, logged: str, stub: v1.CompletionServiceStub, service: Service
) -> None:
    assert refused(stub, text)[1] == reason
    assert service.logs(lambda line: logged in f"{line.get('reason')} {line.get('exception')}")
    assert stub.CreateCompletion(request_for("echo/echo", "?"), timeout=10).choices[0].message.parts[0].text == "ba?"


@pytest.mark.parametrize(
    ("table", "path", "said"),
    [
        ("[filters.broken]", "filters.broken", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("[filters.number]", "filters.number", "acme_filter:NUMBER is not a function"),
        ("[filters.unmade]", "filters.unmade", "RuntimeError: the list of words is away"),
        ("[filters.nothing]", "filters.nothing", "returned NoneType instead of a function"),
        ("[filters.absent]", "filters.absent.plugin", "no plugin of this name is installed"),
        ("[filters.mark]", "filters.mark.mark", "is required"),
        ("[filters.mark]\nmark = 'a'\n[plugins]\nallow = ['echo']", "filters.mark.plugin", "does not name it"),
        ("[filters.metering]", "filters.metering", "always on"),
        ("[filters.unmade]\n[server]\nworkers = 2", "filters.unmade", "RuntimeError: the list of words is away"),
    ],
)
def test_a_filter_that_does_not_work_keeps_the_service_from_starting(
    table: str, path: str, said: str, environment: ScratchEnvironment, tmp_path: Path
) -> None:
    config = tmp_path / "dragoman.toml"
    config.write_text(f"[providers.echo]\n{table}\n")
    arguments = ("--config", str(config), "--grpc-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0")
    printed = environment.run("-m", "dragoman_service", "serve", *arguments, code=2)

    assert path in printed
    assert said in printed


def test_a_filter_that_is_installed_and_has_no_table_does_nothing_and_ours_win_a_clash(
    environment: ScratchEnvironment,
) -> None:
    filters = {
        (plugin["name"], plugin["distribution"]): plugin["state"]
        for plugin in environment.plugins()
        if plugin["kind"] == "filter"
    }

    assert filters["metering", "dragoman-service"] == "LOADED"
    assert filters["metering", "acme-filter"] == "SHADOWED"
    assert filters["broken", "acme-filter"] == "FAILED"


def test_the_settings_are_shown_with_the_tables_of_filters(environment: ScratchEnvironment, tmp_path: Path) -> None:
    config = tmp_path / "shown.toml"
    config.write_text('[providers.echo]\n[filters.first]\nplugin = "mark"\nmark = "a"\n')
    printed = environment.run("-m", "dragoman_service", "config", "check", "--config", str(config))

    assert '[filters.first]\nplugin = "mark"\nmark = "a"\ncount = false\n' in printed
