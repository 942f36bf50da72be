"""What the laws of operations play on: a store, replicas on it, and how what they say is looked at."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest_asyncio
from dragoman import v1
from google.longrunning import operations_pb2

from dragoman_service.operations.store.store import OperationStore, open_store
from dragoman_service.testing.operation_laws.process import Remote, open_process
from dragoman_service.testing.operation_laws.replica import Replica, Setup, open_replica

State = v1.CompletionOperationMetadata
AnyReplica = Replica | Remote


@dataclass(frozen=True)
class Store:
    """Where the operations of one test are kept: a fresh store each time."""

    url: str
    """As `operations.url` of the settings."""
    folder: Path
    """The data directory of all replicas, for this test alone."""
    restart: Callable[[], Awaitable[None]] | None = None
    """Ends the store's own server as roughly as may be, and starts it again; None where it has none."""


class Stage:
    """Opens replicas on a store; they are closed with the test."""

    def __init__(self, store: Store, stack: AsyncExitStack) -> None:
        self.store = store
        self._stack = stack
        self._names = (f"r{number}" for number in itertools.count())

    async def here(self, **changes: Any) -> Replica:
        """A replica in this process; `changes` are fields of Setup."""
        return await self._stack.enter_async_context(open_replica(self.setup(**changes)))

    async def elsewhere(self, **changes: Any) -> Remote:
        """A replica in a process of its own."""
        return await self._stack.enter_async_context(open_process(self.setup(**changes)))

    async def ledger(self) -> OperationStore:
        """The store itself, as one more process has it open."""
        opened = open_store(self.store.url, self.store.folder, lambda changed, work, stopped: None)
        return await self._stack.enter_async_context(opened)

    def setup(self, **changes: Any) -> Setup:
        changes.setdefault("name", next(self._names))
        return replace(Setup(self.store.url, str(self.store.folder), ""), **changes)

    def calls(self) -> list[tuple[str, str]]:
        """Who was asked for which operation, over all replicas, in order."""
        lines = (self.store.folder / "calls").read_text().splitlines()
        return [(name, operation_id) for name, operation_id in map(str.split, lines)]


class Staged:
    """Gives its subclasses the fixture `stage`; their own subclass gives the fixture `store`, a `Store`."""

    @pytest_asyncio.fixture
    async def stage(self, store: Store) -> AsyncIterator[Stage]:
        async with AsyncExitStack() as stack:
            yield Stage(store, stack)


def metadata_of(operation: operations_pb2.Operation) -> v1.CompletionOperationMetadata:
    metadata = v1.CompletionOperationMetadata()
    assert operation.metadata.Unpack(metadata)
    return metadata


def state_of(operation: operations_pb2.Operation) -> str:
    """As in `RUNNING`."""
    return State.State.Name(metadata_of(operation).state).removeprefix("STATE_")


def text_of(operation: operations_pb2.Operation) -> str:
    completion = v1.Completion()
    assert operation.response.Unpack(completion), f"{operation.name} is {state_of(operation)}: {operation.error}"
    return completion.choices[0].message.parts[0].text


def authors_of(text: str) -> set[str]:
    """The calls of providers that wrote the text: `Signing` signs each piece."""
    return set(text.split())


def read(events: Sequence[bytes]) -> list[v1.CompletionEvent]:
    return [v1.CompletionEvent.FromString(event) for event in events]


def text_in(events: Sequence[v1.CompletionEvent]) -> str:
    """What is left of the text when all is retracted that has to be."""
    text = ""
    for event in events:
        text = "" if event.HasField("retracted") else text + event.delta.text
    return text


def check_log(operation: operations_pb2.Operation, events: Sequence[bytes]) -> None:
    """The log of an operation that is done is whole, and agrees with its outcome."""
    said = read(events)
    kinds = [event.WhichOneof("event") for event in said]
    finished = said[-1].finished

    assert [event.sequence for event in said] == list(range(1, len(said) + 1)), "numbers have no holes"
    assert kinds.count("finished") == 1
    assert kinds[-1] == "finished"
    assert metadata_of(operation).last_sequence == said[-1].sequence
    assert kinds.count("started") <= metadata_of(operation).attempts
    assert {event.started.operation for event in said if event.HasField("started")} <= {operation.name}
    if operation.HasField("response"):
        answer = v1.Completion()
        assert operation.response.Unpack(answer)
        assert finished.completion == answer
        assert text_in(said) == text_of(operation)
    else:
        assert finished.error == operation.error
