"""The stage of the laws: a store, replicas on it, and readers for what the replicas answer."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pytest
import pytest_asyncio
from dragoman import v1
from google.longrunning import operations_pb2

from dragoman_service.operations.store.interface import OperationStore, StoreContext
from dragoman_service.operations.store.opening import open_store
from dragoman_service.operations.store.relational import SqlStore
from dragoman_service.testing.operation_laws.replicas.process import Remote, open_process
from dragoman_service.testing.operation_laws.replicas.replica import Replica, Setup, open_replica

State = v1.CompletionOperationMetadata
AnyReplica = Replica | Remote


@dataclass(frozen=True)
class Store:
    """The store of one test, fresh each time."""

    url: str
    """The setting `operations.url`."""
    folder: Path
    """The data directory of all replicas, for this test alone."""
    restart: Callable[[], Awaitable[None]] | None = None
    """Kills the store's own server and starts it again; None if it has none."""
    survives: bool = True
    """What is stored outlives its process, and several processes may open the store. Otherwise the laws about processes
    do not apply and say so, replicas that would run in processes of their own run in this one, and a law asserts that
    everything is gone once the last replica has closed."""
    direct_url: str = ""
    """The setting `operations.direct_url`."""
    listen: Literal["notify", "poll"] = "notify"
    """The setting `operations.listen`."""

    @property
    def context(self) -> StoreContext:
        """For one who opens it without a replica."""
        return StoreContext(
            self.folder, lambda changed, work, stopped: None, direct_url=self.direct_url, listen=self.listen
        )


class Stage:
    """Opens replicas on a store; they are closed with the test."""

    def __init__(self, store: Store, stack: AsyncExitStack) -> None:
        self.store = store
        self._stack = stack
        self._names = (f"r{number}" for number in itertools.count())

    async def here(self, **changes: Any) -> Replica:
        """A replica in this process; `changes` are fields of Setup."""
        return await self._stack.enter_async_context(open_replica(self.setup(**changes)))

    async def elsewhere(self, **changes: Any) -> AnyReplica:
        """A replica in a process of its own, if several processes may open the store."""
        return await (self.process(**changes) if self.store.survives else self.here(**changes))

    async def process(self, **changes: Any) -> Remote:
        """A replica in a process of its own, for a law that cannot do without one."""
        if not self.store.survives:
            pytest.skip(f"{self.store.url} lives in one process (Store.survives is False): this law does not apply")
        return await self._stack.enter_async_context(open_process(self.setup(**changes)))

    async def open_store(self) -> OperationStore:
        """The store itself, as one more process opens it."""
        return await self._stack.enter_async_context(open_store(self.store.url, self.store.context))

    async def freeze(self, process: Remote) -> None:
        """Stops the process, but not within a write of its own, because that would lock out the others."""
        store = await self.open_store()
        if isinstance(store, SqlStore):
            await store.database.write(lambda transaction: process.freeze())
        else:
            process.freeze()

    def setup(self, **changes: Any) -> Setup:
        changes.setdefault("name", next(self._names))
        store = self.store
        setup = Setup(store.url, str(store.folder), "", direct_url=store.direct_url, listen=store.listen)
        return replace(setup, **changes)

    def calls(self) -> list[tuple[str, str]]:
        """The replica and the operation of each provider call, over all replicas, in order."""
        lines = (self.store.folder / "calls").read_text().splitlines()
        return [(name, operation_id) for name, operation_id in map(str.split, lines)]


class Staged:
    """Has the fixture `stage`; subclasses have the fixture `store`, a `Store`."""

    @pytest_asyncio.fixture
    async def stage(self, store: Store) -> AsyncIterator[Stage]:
        async with AsyncExitStack() as stack:
            yield Stage(store, stack)


def metadata_of(operation: operations_pb2.Operation) -> v1.CompletionOperationMetadata:
    metadata = v1.CompletionOperationMetadata()
    assert operation.metadata.Unpack(metadata)
    return metadata


def state_of(operation: operations_pb2.Operation) -> str:
    """The state, as in `RUNNING`."""
    return State.State.Name(metadata_of(operation).state).removeprefix("STATE_")


def completion_of(operation: operations_pb2.Operation) -> v1.Completion:
    completion = v1.Completion()
    assert operation.response.Unpack(completion), f"{operation.name} is {state_of(operation)}: {operation.error}"
    return completion


def text_of(operation: operations_pb2.Operation) -> str:
    return completion_of(operation).choices[0].message.parts[0].text


def authors_of(text: str) -> set[str]:
    """The calls of providers that wrote the text: `Signing` signs each piece."""
    return set(text.split())


def read(events: Sequence[bytes]) -> list[v1.CompletionEvent]:
    return [v1.CompletionEvent.FromString(event) for event in events]


def text_in(events: Sequence[v1.CompletionEvent]) -> str:
    """The text that remains after everything retracted is removed."""
    text = ""
    for event in events:
        text = "" if event.HasField("retracted") else text + event.delta.text
    return text


def check_log(operation: operations_pb2.Operation, events: Sequence[bytes]) -> None:
    """Asserts that the log of an operation that is done is complete, and agrees with its outcome."""
    said = read(events)
    kinds = [event.WhichOneof("event") for event in said]
    finished = said[-1].finished

    assert [event.sequence for event in said] == list(range(1, len(said) + 1)), "numbers have no gaps"
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
