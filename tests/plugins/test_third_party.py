"""Providers of other packages, installed beside ours: working ones answer, broken ones harm nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from dragoman import text_of, v1
from dragoman_service.plugins.plugins import INSPECTION_TIMEOUT, inspect
from dragoman_service.settings.settings import load
from plugin_calls import request_for, status_of
from scratch_environment import ScratchEnvironment, Service

HERE = Path(__file__).parent
SETTINGS = """
[server]
drain_delay = "0s"
[log]
format = "json"
[plugins]
open_timeout = "1s"
[providers.echo]
[providers.acme]
mark = "!!"
[providers.raising]
[providers.broken]
[providers.quitting]
[providers.number]
[providers.missing]
[providers.puzzling]
[providers.refusing]
[providers.leaving]
[providers.hanging]
[providers.interrupted]
[providers.stalling]
[providers.own]
[providers.trapped]
[providers.interrupting]
[providers.owning]
[providers.late]
"""
STORE = '[operations]\nurl = "{}"\n[plugins]\nopen_timeout = "1s"\n'
BROKEN = {
    "broken": "ModuleNotFoundError: No module named 'no_such_library'",
    "quitting": "SystemExit: I quit",
    "number": "broken_provider:NUMBER is not a function",
    "interrupted": "KeyboardInterrupt",
    "stalling": "its import did not finish within 1 s",
    "own": "OwnBaseError: mine",
    "missing": "AttributeError: module 'broken_provider' has no attribute 'open_missing'",
}
UNOPENED = {
    "puzzling": "NameError: name 'NoSuchType' is not defined",
    "refusing": "ConnectionError: the upstream is away",
    "leaving": "SystemExit: that is too much",
    "hanging": "did not open within 1 s",
    "trapped": "SystemExit: invalid",
    "interrupting": "KeyboardInterrupt",
    "owning": "OwnBaseError: mine alone",
    "late": "did not open within 1 s",
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> ScratchEnvironment:
    environment = ScratchEnvironment(tmp_path_factory.mktemp("scratch"))
    environment.install(HERE / "acme_provider")
    environment.install(HERE / "broken_provider")
    return environment


@pytest.fixture(scope="module")
def service(environment: ScratchEnvironment) -> Iterator[Service]:
    with environment.serving(SETTINGS) as service:
        yield service


@pytest.fixture(scope="module")
def channel(service: Service) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(service.address) as channel:
        yield channel


@pytest.fixture(scope="module")
def stub(channel: grpc.Channel) -> v1.CompletionServiceStub:
    return v1.CompletionServiceStub(channel)


def listed(environment: ScratchEnvironment) -> list[dict[str, str]]:
    """All installed plugins; one of them never finishes its import."""
    config = environment.folder / "listing.toml"
    config.write_text('[plugins]\nopen_timeout = "1s"\n')
    return environment.plugins("--config", str(config))


def own(plugins: list[dict[str, str]]) -> list[dict[str, str]]:
    return [plugin for plugin in plugins if plugin["distribution"] == "dragoman-service"]


def test_the_command_lists_what_works_and_what_is_broken_with_its_reason(environment: ScratchEnvironment) -> None:
    found = {(plugin["distribution"], plugin["name"]): plugin for plugin in listed(environment)}

    assert found["acme-provider", "acme"] == {
        "name": "acme",
        "kind": "provider",
        "distribution": "acme-provider",
        "version": "1.2.3",
        "state": "LOADED",
        "reason": "",
    }
    for name, reason in BROKEN.items():
        assert (found["broken-provider", name]["state"], found["broken-provider", name]["reason"]) == ("FAILED", reason)


def test_a_built_in_name_wins_and_the_clash_is_reported(environment: ScratchEnvironment) -> None:
    echoes = {plugin["distribution"]: plugin for plugin in listed(environment) if plugin["name"] == "echo"}

    assert echoes["dragoman-service"]["state"] == "LOADED"
    assert echoes["broken-provider"]["state"] == "SHADOWED"
    assert "dragoman-service" in echoes["broken-provider"]["reason"]


def test_broken_plugins_change_nothing_of_the_others(environment: ScratchEnvironment, tmp_path: Path) -> None:
    alone = ScratchEnvironment(tmp_path)

    assert own(listed(environment)) == own(alone.plugins()) == alone.plugins()


def test_a_third_party_provider_answers(stub: v1.CompletionServiceStub) -> None:
    whole = stub.CreateCompletion(request_for("acme/shout", "Hello there"), timeout=10)
    *_, finished = stub.StreamCompletion(request_for("loud", "Hello there"), timeout=10)

    assert text_of(whole) == text_of(finished.finished.completion) == "HELLO THERE !!"
    assert (whole.provider, whole.served_model) == ("acme", "shout")


def test_its_own_errors_reach_the_caller(stub: v1.CompletionServiceStub) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.CreateCompletion(request_for("acme/shout", "nothing"), timeout=10)
    status, info = status_of(caught.value)

    assert (status.code, status.message, info.reason) == (3, "There is nothing to say.", "PROVIDER_REJECTED")
    assert info.metadata["provider"] == "acme"


def test_the_built_in_provider_answers_beside_broken_ones(stub: v1.CompletionServiceStub) -> None:
    assert text_of(stub.CreateCompletion(request_for("echo/echo", "Hello there"), timeout=10)) == "Hello there"


def test_providers_that_could_not_be_opened_are_listed_as_unreachable(channel: grpc.Channel) -> None:
    listed = v1.ModelServiceStub(channel).ListModels(v1.ListModelsRequest(), timeout=10)

    assert [model.name for model in listed.models] == ["acme/shout", "echo/echo", "raising/raising"]
    assert sorted(listed.unreachable) == sorted(BROKEN | UNOPENED)


@pytest.mark.parametrize("name", BROKEN | UNOPENED)
def test_a_model_of_a_broken_provider_is_unavailable_and_the_log_says_why(
    name: str, stub: v1.CompletionServiceStub, service: Service
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.CreateCompletion(request_for(f"{name}/model", "Hello there"), timeout=10)
    status, info = status_of(caught.value)
    logged = [line["reason"] for line in service.log if line["event"] == "provider.failed" and line["provider"] == name]

    assert (status.code, info.reason) == (14, "NO_PROVIDER_AVAILABLE")
    assert logged == [(BROKEN | UNOPENED)[name]]


def test_a_plugin_that_raises_later_fails_its_call_alone(stub: v1.CompletionServiceStub, service: Service) -> None:
    call = stub.StreamCompletion(request_for("raising/raising", "Hello there"), timeout=10)
    events = []
    with pytest.raises(grpc.RpcError) as caught:
        for event in call:
            events.append(event)
    status, info = status_of(caught.value)

    assert [event.WhichOneof("event") for event in events] == ["started", "delta", "attempt", "finished"]
    assert (status.code, info.reason) == (13, "PLUGIN_FAILED")
    assert events[-1].finished.error == status
    assert "hunter2" not in str(status)
    assert service.logs(lambda line: line["event"] == "plugin.failed" and "hunter2" in str(line))
    assert text_of(stub.CreateCompletion(request_for("acme/shout", "Hello there"), timeout=10)) == "HELLO THERE !!"


def test_the_allow_list_keeps_plugins_out(environment: ScratchEnvironment, tmp_path: Path) -> None:
    config = tmp_path / "allowing.toml"
    config.write_text('[plugins]\nallow = ["acme", "echo"]\n[providers.acme]\n[providers.echo]\n')
    states = {
        (plugin["distribution"], plugin["name"]): plugin["state"]
        for plugin in environment.plugins("--config", str(config))
    }

    assert states["acme-provider", "acme"] == "LOADED"
    assert states["broken-provider", "broken"] == "DISABLED"
    assert states["dragoman-service", "native"] == "LOADED", "a service without its API would be none"


def test_asking_for_a_plugin_that_is_not_allowed_is_a_mistake(environment: ScratchEnvironment, tmp_path: Path) -> None:
    config = tmp_path / "refusing.toml"
    config.write_text('[plugins]\nallow = ["echo"]\n[providers.acme]\n')
    printed = environment.run("-m", "dragoman_service", "serve", "--config", str(config), code=2)

    assert "providers.acme.plugin" in printed
    assert "plugins.allow does not name it" in printed


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("gone:x", "the store 'gone' cannot be opened: SystemExit: no place for operations"),
        ("slow:x", "the store 'slow' did not open within 1 s"),
    ],
)
def test_a_store_that_does_not_open_ends_the_start_with_a_sentence(
    environment: ScratchEnvironment, url: str, why: str
) -> None:
    config = environment.folder / "store.toml"
    config.write_text(f'[server]\ngrpc = "127.0.0.1:0"\nhttp = "127.0.0.1:0"\n[providers.echo]\n{STORE.format(url)}')
    output = environment.run("-m", "dragoman_service", "serve", "--config", str(config), code=2)

    assert f"operations.url: {why}" in output


def test_a_listing_of_plugins_waits_for_no_import_as_long_as_the_service() -> None:
    plugins = inspect(load(None, {}, {"plugins.open_timeout": "1h"}))

    assert {plugin.import_timeout for plugin in plugins} == {INSPECTION_TIMEOUT}
