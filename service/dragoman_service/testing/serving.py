"""A complete service in this process, on ports that the system chooses."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from dragoman import v1
from google.longrunning import operations_pb2_grpc

from dragoman_service.contract import Provider
from dragoman_service.settings.settings import load

if TYPE_CHECKING:
    from dragoman.v1.completion_service_pb2_grpc import CompletionServiceAsyncStub
    from dragoman.v1.model_service_pb2_grpc import ModelServiceAsyncStub

    from dragoman_service.app import Running


@dataclass(frozen=True, slots=True)
class Served:
    """A service in this process, and a channel to it."""

    running: Running
    channel: grpc.aio.Channel

    @property
    def completions(self) -> CompletionServiceAsyncStub:
        return v1.CompletionServiceStub(self.channel)

    @property
    def models(self) -> ModelServiceAsyncStub:
        return v1.ModelServiceStub(self.channel)

    @property
    def operations(self) -> Any:
        """The stub of google.longrunning.Operations, which is untyped."""
        return operations_pb2_grpc.OperationsStub(self.channel)


@asynccontextmanager
async def serving(
    providers: Mapping[str, Provider] | None = None, settings: Mapping[str, Any] | None = None
) -> AsyncIterator[Served]:
    """Serves `providers` under their names, and the providers in `settings`. Default: `echo` alone.

    `settings` are those of the settings file, as in `{"server.grace": "1s", "providers": {"echo": {"delay": "10ms"}}}`.
    By default the service listens on loopback, on ports that the system chooses, and its data directory is deleted
    when the context ends. Callers without a key may list operations.
    """
    from dragoman_service.app import running  # not at the top, because the laws need no server

    with tempfile.TemporaryDirectory(prefix="dragoman-") as folder:
        defaults: dict[str, Any] = {
            "server.grpc": "127.0.0.1:0",
            "server.http": "127.0.0.1:0",
            "server.data_dir": folder,
            "access.anonymous_listing": True,
            "providers": {} if providers else {"echo": {}},
        }
        loaded = load(overrides=defaults | dict(settings or {}))
        async with (
            running(loaded, providers=providers) as service,
            grpc.aio.insecure_channel(service.grpc_address) as channel,
        ):
            yield Served(service, channel)
