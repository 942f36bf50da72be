"""What docs/write-a-store.md shows is built, proven and served as it says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import grpc
import pytest
from dragoman import v1
from dragoman_service.testing.operation_laws import OperationStoreLaws
from google.longrunning import operations_pb2, operations_pb2_grpc
from scratch_environment import ScratchEnvironment, Service
from tutorial_page import TutorialPage

PAGE = TutorialPage("write-a-store.md")
PROVE, SERVE, LIST = PAGE.commands


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> ScratchEnvironment:
    """An environment with the page's package in it; its folder holds the page's files."""
    return PAGE.install(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def service(environment: ScratchEnvironment) -> Iterator[Service]:
    settings = (environment.folder / SERVE.split()[-1]).read_text()
    with environment.serving(settings + '[server]\ndrain_delay = "0s"\n') as service:
        yield service


def test_the_pages_store_keeps_the_laws(environment: ScratchEnvironment) -> None:
    laws = sum(name.startswith("test_") for name in dir(OperationStoreLaws))
    output = environment.run("-m", *shlex.split(PROVE), "-p", "no:cacheprovider", "-rs", seconds=110)
    ended = {word: int(number) for number, word in re.findall(r"(\d+) (passed|skipped|failed)", output)}

    assert set(ended) == {"passed", "skipped"}
    assert sum(ended.values()) == laws
    assert output.count("lives in one process") + output.count("no server of its own") == ended["skipped"]


def test_the_pages_store_is_used_and_listed(environment: ScratchEnvironment, service: Service) -> None:
    prompt = v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="hello")])
    request = v1.CompletionRequest(model="echo/echo", messages=[prompt])
    with grpc.insecure_channel(service.address) as channel:
        started = v1.CompletionServiceStub(channel).StartCompletion(v1.StartCompletionRequest(request=request))
        operations = operations_pb2_grpc.OperationsStub(channel)
        done = operations.WaitOperation(operations_pb2.WaitOperationRequest(name=started.name), timeout=15)
        operations.DeleteOperation(operations_pb2.DeleteOperationRequest(name=started.name))
    found = {plugin["name"]: plugin for plugin in environment.plugins() if plugin["kind"] == "store"}
    operation_id = started.name.removeprefix("operations/")

    assert done.HasField("response")
    assert (environment.folder / "data" / "audit.log").read_text().splitlines() == [
        f"CREATED anonymous {operation_id}",
        f"DELETED anonymous {operation_id}",
    ]
    assert LIST == "dragoman plugins"
    assert (found["audit"]["distribution"], found["audit"]["state"]) == ("dragoman-audit", "LOADED")
    assert {found[name]["distribution"] for name in ("memory", "postgresql", "sqlite")} == {"dragoman-service"}


def test_an_unknown_scheme_names_the_installed_ones(environment: ScratchEnvironment) -> None:
    settings = environment.folder / "unknown.toml"
    settings.write_text('[operations]\nurl = "canary://x"\n[providers.echo]\n')
    output = environment.run("-m", "dragoman_service", "serve", "--config", str(settings), code=2)

    assert "operations.url: should begin with the scheme of an installed store: audit:, memory:" in output
    assert "canary" not in output


def test_a_store_that_is_not_allowed_is_not_used(environment: ScratchEnvironment) -> None:
    settings = environment.folder / "forbidden.toml"
    settings.write_text('[operations]\nurl = "audit:memory:"\n[providers.echo]\n[plugins]\nallow = ["echo"]\n')
    output = environment.run("-m", "dragoman_service", "serve", "--config", str(settings), code=2)

    assert "the store 'audit' is installed but plugins.allow does not name it" in output
