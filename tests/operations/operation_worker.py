"""A worker on a opened, as the tests see it, and how they look at operations."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field

import pytest
from dragoman import v1
from dragoman_service.engine.engine import Engine
from dragoman_service.errors import CompletionError
from dragoman_service.operations import Operations
from gated_provider import GatedProvider
from google.longrunning import operations_pb2
from waiting import until

CALLER = "team-a"
State = v1.CompletionOperationMetadata


@dataclass(frozen=True)
class Options:
    """The table `[operations]` of the settings."""

    url: str = "sqlite:///operations.db"
    ttl: float = 3600.0
    concurrency: int = 16
    lease: float = 15.0
    max_attempts: int = 3
    model_concurrency: Mapping[str, int] = field(default_factory=dict)


@dataclass
class Worker:
    """One process's view of the opened."""

    operations: Operations
    provider: GatedProvider
    engine: Engine
    options: Options
    finished: list[tuple[str, float, float]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    async def start(self, request: v1.CompletionRequest, caller: str = CALLER) -> str:
        return str((await self.operations.start(request, caller)).name)

    async def get(self, name: str) -> operations_pb2.Operation:
        return await self.operations.get(name, CALLER)

    async def done(self, name: str) -> operations_pb2.Operation:
        return await self.operations.wait(name, CALLER, 20)

    async def held(self, request: v1.CompletionRequest) -> str:
        """Starts an operation and returns once the provider is at it."""
        name = await self.start(request)
        await until(lambda: name.removeprefix("operations/") in self.provider.held)
        return name

    async def state(self, name: str) -> int:
        return metadata_of(await self.get(name)).state


class Counting:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.outcomes: list[tuple[str, float, float]] = []

    def states(self, counts: Mapping[str, int]) -> None:
        self.counts.update(counts)

    def finished(self, outcome: str, queue_seconds: float, run_seconds: float) -> None:
        self.outcomes.append((outcome, queue_seconds, run_seconds))


async def until_state(worker: Worker, name: str, state: int) -> None:
    async with asyncio.timeout(10):
        while await worker.state(name) != state:
            await asyncio.sleep(0.005)


def metadata_of(operation: operations_pb2.Operation) -> v1.CompletionOperationMetadata:
    metadata = v1.CompletionOperationMetadata()
    assert operation.metadata.Unpack(metadata)
    return metadata


def completion_of(operation: operations_pb2.Operation) -> v1.Completion:
    completion = v1.Completion()
    assert operation.response.Unpack(completion)
    return completion


def text_of(operation: operations_pb2.Operation) -> str:
    return completion_of(operation).choices[0].message.parts[0].text


async def refused(call: Awaitable[object]) -> CompletionError:
    """The error that `call` has to raise."""
    with pytest.raises(CompletionError) as caught:
        await call
    return caught.value
