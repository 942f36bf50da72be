"""Fixtures for all tests: a real service in this process, on ports that the system chooses."""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

# Some tests fork, to start servers that must not run as root. gRPC's fork handlers could then abort the child.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc
import pytest
from dragoman import v1
from dragoman_service.app import Running, running
from dragoman_service.providers.local.weights.fetch import fetch
from dragoman_service.settings.settings import load
from dragoman_service.transport import choice, pressure
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from hypothesis import HealthCheck, settings
from postgres_server import PostgresServer, find_programs, postgres_server
from service_log import Log, service_log

StartService = Callable[..., Awaitable[Running]]

TRANSPORT = os.environ.get("DRAGOMAN_SERVER__TRANSPORT", "auto")
"""What takes the gRPC calls of all tests, whose settings do not say it. Services in other processes read it too."""
if TRANSPORT == "native" or TRANSPORT == "grpcio":
    choice.AUTO = TRANSPORT

settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")  # how long an example takes says how busy the machine is

SLOW_ROOMS = ("providers", "operations", "plugins", "process", "cli")
"""Rooms whose files take longest. They go first, so that no worker is left alone with one of them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.parent.name not in SLOW_ROOMS)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside other programs the loop is often late, which should refuse no call of a test."""
    monkeypatch.setattr(pressure, "LAG", 1.0)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for all tests of the session."""
    programs = find_programs()
    if programs is None:
        missing = "PostgreSQL's programs are missing (Debian: apt-get install postgresql)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with postgres_server(programs) as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def frozen() -> None:
    """Keeps collections from going through all tests and libraries, which takes nearly a second each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture
async def start_service(tmp_path: Path) -> AsyncIterator[StartService]:
    """Starts a service with the echo provider; keyword arguments are sections of the settings."""
    async with AsyncExitStack() as stack:

        async def start(providers: dict[str, Any] | None = None, **sections: dict[str, Any]) -> Running:
            server = {"grpc": "127.0.0.1:0", "http": "127.0.0.1:0", "data_dir": str(tmp_path)}
            server |= sections.pop("server", {})
            access = {"anonymous_listing": True}
            tree = {"server": server, "access": access, "providers": providers or {"echo": {}}, **sections}
            return await stack.enter_async_context(running(load(None, {}, tree)))

        yield start


@pytest.fixture
async def channel(start_service: StartService) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a service with the echo provider."""
    service = await start_service()
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        yield channel


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> v1.CompletionServiceStub:
    return v1.CompletionServiceStub(channel)


@pytest.fixture
def prompt() -> Callable[..., v1.CompletionRequest]:
    """Makes a request with one user message; keyword arguments are fields of GenerationConfig."""

    def make(text: str = "one two three", model: str = "echo", **config: Any) -> v1.CompletionRequest:
        request = v1.CompletionRequest(model=model)
        request.messages.add(role=v1.ROLE_USER).parts.add(text=text)
        if config:
            request.generation_config.CopyFrom(v1.GenerationConfig(**config))
        return request

    return make


@pytest.fixture(scope="session")
def weights() -> Path:
    """The weights of the embedded model, downloaded if they are missing."""
    return fetch(lambda done, total: None, lambda note: None)


@pytest.fixture
def logged() -> Iterator[Log]:
    """The log of the service in this process."""
    with service_log() as log:
        yield log


class Refusal:
    """The status of a failed call, with its details unpacked."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        self.code = error.code()
        self.message = error.details() or ""
        self.info = error_details_pb2.ErrorInfo()
        self.bad = error_details_pb2.BadRequest()
        self.retry = error_details_pb2.RetryInfo()
        trailers = dict(error.trailing_metadata() or ())
        self.status = Status.FromString(bytes(trailers.get("grpc-status-details-bin", b"")))
        for detail in self.status.details:
            for message in (self.info, self.bad, self.retry):
                if detail.Is(message.DESCRIPTOR):
                    detail.Unpack(message)

    @property
    def reason(self) -> str:
        return str(self.info.reason)

    @property
    def fields(self) -> list[str]:
        return [violation.field for violation in self.bad.field_violations]


@pytest.fixture
def refused() -> Callable[[Awaitable[Any]], Awaitable[Refusal]]:
    """Awaits a call that has to fail and returns its Refusal."""

    async def catch(call: Awaitable[Any]) -> Refusal:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        return Refusal(caught.value)

    return catch
