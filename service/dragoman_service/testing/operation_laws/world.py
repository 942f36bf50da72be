"""What the state machine acts on: two replicas in one loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, suppress
from typing import Any, TypeVar

from google.longrunning import operations_pb2

from dragoman_service.errors import CompletionError
from dragoman_service.testing.operation_laws.replicas.replica import NEVER, Replica, open_replica, until
from dragoman_service.testing.operation_laws.stage import Stage, state_of

T = TypeVar("T")
SLOTS = 1  # of each: more would hide which operation is next
VISIBLE_SECONDS = 5.0  # in which a change must be visible; it takes milliseconds


class World:
    """Its methods return coroutines; `do` runs them."""

    def __init__(self, runner: asyncio.Runner, stage: Stage, callers: Iterator[str]) -> None:
        self._runner = runner
        self._stage = stage
        self._opened: list[AsyncExitStack] = [AsyncExitStack(), AsyncExitStack()]
        self._closed: int | None = None
        self._turn = 0
        self.replicas: list[Replica] = []
        self.callers = callers

    def do(self, call: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(call)

    @property
    def any(self) -> Replica:
        """The two replicas in turn."""
        self._turn += 1
        return self.replicas[self._turn % 2]

    async def set_up(self) -> None:
        for at in range(2):
            await self.open(at)

    async def tear_down(self) -> None:
        for opened in self._opened:
            await opened.aclose()

    async def open(self, at: int) -> None:
        """Opens the replica number `at`."""
        setup = self._stage.setup(concurrency=SLOTS, lease=600.0, poll=NEVER, wait=NEVER)
        replica = await self._opened[at].enter_async_context(open_replica(setup))
        self.replicas[at : at + 1] = [replica]
        self._closed = None

    async def close(self, at: int, running: int) -> list[str]:
        """Stops the replica once the two run `running` operations; returns the ids of those that it gives back."""
        await until(lambda: sum(len(replica.provider.held) for replica in self.replicas) == running, VISIBLE_SECONDS)
        given_back = list(self.replicas[at].provider.held)
        await self.replicas[at].drain()
        await self._opened[at].aclose()
        self.replicas[at], self._closed = self.replicas[1 - at], at
        return given_back

    async def wait_at(self, replica: Replica, name: str, caller: str) -> Coroutine[Any, Any, operations_pb2.Operation]:
        """Begins to wait, and returns a coroutine that goes on waiting."""
        waiting = asyncio.create_task(replica.wait(name, caller, VISIBLE_SECONDS))
        await asyncio.sleep(0)

        async def waited() -> operations_pb2.Operation:
            return await waiting

        return waited()

    async def release(self, name: str) -> None:
        """Lets the operation go on, wherever it runs."""
        operation_id = name.removeprefix("operations/")
        await until(lambda: any(operation_id in replica.provider.held for replica in self.replicas), VISIBLE_SECONDS)
        for replica in self.replicas:
            if operation_id in replica.provider.held:
                replica.provider.held[operation_id].set()

    async def until_states(self, caller: str, expected: dict[str, str]) -> None:
        """Returns once the caller's operations are these, in this order and in these states."""
        seen: dict[str, str] = {}
        end = asyncio.get_running_loop().time() + VISIBLE_SECONDS
        while seen != expected or list(seen) != list(expected):
            assert asyncio.get_running_loop().time() < end, f"{seen} instead of {expected}"
            page = await self.any.operations.list(caller, "", 1000)
            seen = {operation.name: state_of(operation) for operation in page.operations}

    async def clear(self, caller: str) -> None:
        """Deletes the caller's operations, and waits until none of them runs and both replicas are open."""
        if self._closed is not None:
            await self.open(self._closed)
        for name in await self.any.names(caller):
            with suppress(CompletionError):  # it has expired meanwhile
                await self.any.delete(name, caller)
        await until(lambda: not any(replica.provider.held for replica in self.replicas), VISIBLE_SECONDS)
