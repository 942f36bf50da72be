"""Servers, each a process of its own, that share a store of operations; and how callers see one operation at them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dragoman import v1
from google.longrunning import operations_pb2, operations_pb2_grpc
from postgres_server import PostgresServer
from supervised import Supervised, supervised


@asynccontextmanager
async def serving(
    folder: Path, url: str, operations: str = "", server: str = "", workers: int = 1, pace: str = "20ms"
) -> AsyncIterator[Supervised]:
    """A server in `folder` on the store at `url`. `operations` and `server` are more lines of these tables; `pace` is
    the time that its provider takes for a word."""
    folder.mkdir()  # noqa: ASYNC240 - takes no time
    settings = f'url = "{url}"\n{operations}\n[providers.echo]\ndelay = "{pace}"\n'
    async with supervised(folder, settings, server, workers=workers, lease="60s") as service:
        await service.wait_until_serving()
        yield service


async def started(channel: Any, request: v1.CompletionRequest, **options: Any) -> str:
    """The name of an operation that was started."""
    stub = v1.CompletionServiceStub(channel)
    return str((await stub.StartCompletion(v1.StartCompletionRequest(request=request, **options))).name)


async def followed(channel: Any, name: str) -> list[v1.CompletionEvent]:
    """All events of the operation."""
    stub = v1.CompletionServiceStub(channel)
    return [event async for event in stub.AttachCompletion(v1.AttachCompletionRequest(name=name), timeout=30)]


async def metadata(channel: Any, name: str) -> v1.CompletionOperationMetadata:
    """The operation's metadata as they are now."""
    stub, unpacked = operations_pb2_grpc.OperationsStub(channel), v1.CompletionOperationMetadata()
    operation = await stub.GetOperation(operations_pb2.GetOperationRequest(name=name))
    operation.metadata.Unpack(unpacked)
    return unpacked


@asynccontextmanager
async def shared_store(kind: str, folder: Path, postgres: Callable[[], PostgresServer]) -> AsyncIterator[str]:
    """The URL of an empty store that any process on this machine can open."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/shared.db"
        return
    server = postgres()
    name = await server.lend_database()
    yield server.url(name)
    await server.take_back(name)
