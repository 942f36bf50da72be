"""Completions that finish by themselves: how to wait for them and how to read them."""

# ruff: noqa: ASYNC109 - a timeout becomes part of a request
from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator, Generator, Iterator
from typing import Self

from google.longrunning import operations_pb2
from google.protobuf.duration_pb2 import Duration

from dragoman import v1
from dragoman.errors import of_status
from dragoman.link import AsyncLink, Link

LONGEST_WAIT = 60.0  # seconds of one WaitOperation; waiting longer takes several
SLACK = 10.0  # seconds that the answer to a WaitOperation may come late


def metadata_of(operation: operations_pb2.Operation) -> v1.CompletionOperationMetadata:
    """What is known of the operation; empty if it was never read."""
    metadata = v1.CompletionOperationMetadata()
    operation.metadata.Unpack(metadata)
    return metadata


def completion_of(operation: operations_pb2.Operation) -> v1.Completion:
    """The operation's answer. Raises its error, or TimeoutError while it is not done."""
    if not operation.done:
        state = v1.CompletionOperationMetadata.State.Name(metadata_of(operation).state).removeprefix("STATE_")
        raise TimeoutError(f"{operation.name} is not done yet ({state}). It goes on: wait again, or cancel it.")
    if operation.HasField("error"):
        raise of_status(operation.error)
    completion = v1.Completion()
    operation.response.Unpack(completion)
    return completion


def waits(name: str, timeout: float | None) -> Iterator[tuple[operations_pb2.WaitOperationRequest, float]]:
    """Requests to send one after the other until the operation is done or the time is over, with the seconds that each
    may take. There is always one, which brings the newest state. `timeout` is in seconds, None has no end.
    """
    end = math.inf if timeout is None else time.monotonic() + timeout
    left = LONGEST_WAIT
    while left > 0:
        left = max(0.0, min(end - time.monotonic(), LONGEST_WAIT))
        duration = Duration()
        duration.FromMilliseconds(round(left * 1000))
        yield operations_pb2.WaitOperationRequest(name=name, timeout=duration), left + SLACK
        left = end - time.monotonic()


class OperationHandle:
    """A completion that finishes by itself. `operation` is its newest state that was seen, without asking again."""

    def __init__(self, link: Link, operation: operations_pb2.Operation) -> None:
        self._link = link
        self.operation = operation

    @property
    def name(self) -> str:
        """`operations/` and an id: enough to come back to it with `Client.operation`."""
        return self.operation.name

    def refresh(self) -> Self:
        """Reads the newest state, unless the end is known already: that never changes."""
        if not self.operation.done:
            request = operations_pb2.GetOperationRequest(name=self.name)
            self.operation = self._link.call(self._link.operations.GetOperation, request)
        return self

    def status(self) -> v1.CompletionOperationMetadata:
        """Where it stands now."""
        return metadata_of(self.refresh().operation)

    def done(self) -> bool:
        """Whether it has come to its end by now, good or bad."""
        return self.refresh().operation.done

    def wait(self, timeout: float | None = None) -> Self:
        """Waits until it is done or `timeout` seconds are over, and is then up to date. None: as long as it takes.

        It waits for a service that restarts, too.
        """
        if not self.operation.done:
            for request, seconds in waits(self.name, timeout):
                self.operation = self._link.call(
                    self._link.operations.WaitOperation, request, seconds, wait_for_ready=True
                )
                if self.operation.done:
                    break
        return self

    def result(self, timeout: float | None = None) -> v1.Completion:
        """Waits for the answer. Raises the operation's error, or TimeoutError after `timeout` seconds."""
        return completion_of(self.wait(timeout).operation)

    def events(
        self, after_sequence: int = 0, *, timeout: float | None = None
    ) -> Generator[v1.CompletionEvent, None, None]:
        """What has come of it after event number `after_sequence`, then what comes, up to `finished`.

        Raises the operation's error after `finished`, DeadlineExceededError after `timeout` seconds (None: as long as
        it takes). When the connection or the server is lost, reading goes on from the last event that came, wherever
        the target leads to; that is given up after two minutes without a sign of life. Closing the generator does not
        stop the operation. After an event `retracted` those from `retracted.from_sequence` on do not hold any more.
        """
        return self._link.attach(self.name, after_sequence, timeout)

    def cancel(self) -> None:
        """Asks the service to stop it. It then ends as CANCELLED, unless it was faster."""
        self._link.call(self._link.operations.CancelOperation, operations_pb2.CancelOperationRequest(name=self.name))

    def delete(self) -> None:
        """Makes the service forget it and its answer. That does not cancel it."""
        self._link.call(self._link.operations.DeleteOperation, operations_pb2.DeleteOperationRequest(name=self.name))


class AsyncOperationHandle:
    """`dragoman.OperationHandle` for asyncio."""

    def __init__(self, link: AsyncLink, operation: operations_pb2.Operation) -> None:
        self._link = link
        self.operation = operation

    @property
    def name(self) -> str:
        """See `OperationHandle.name`."""
        return self.operation.name

    async def refresh(self) -> Self:
        """See `OperationHandle.refresh`."""
        if not self.operation.done:
            request = operations_pb2.GetOperationRequest(name=self.name)
            self.operation = await self._link.call(self._link.operations.GetOperation, request)
        return self

    async def status(self) -> v1.CompletionOperationMetadata:
        """See `OperationHandle.status`."""
        return metadata_of((await self.refresh()).operation)

    async def done(self) -> bool:
        """See `OperationHandle.done`."""
        return (await self.refresh()).operation.done

    async def wait(self, timeout: float | None = None) -> Self:
        """See `OperationHandle.wait`."""
        if not self.operation.done:
            for request, seconds in waits(self.name, timeout):
                self.operation = await self._link.call(
                    self._link.operations.WaitOperation, request, seconds, wait_for_ready=True
                )
                if self.operation.done:
                    break
        return self

    async def result(self, timeout: float | None = None) -> v1.Completion:
        """See `OperationHandle.result`."""
        return completion_of((await self.wait(timeout)).operation)

    def events(
        self, after_sequence: int = 0, *, timeout: float | None = None
    ) -> AsyncGenerator[v1.CompletionEvent, None]:
        """See `OperationHandle.events`. To leave it early and know that it has ended, use `contextlib.aclosing`."""
        return self._link.attach(self.name, after_sequence, timeout)

    async def cancel(self) -> None:
        """See `OperationHandle.cancel`."""
        request = operations_pb2.CancelOperationRequest(name=self.name)
        await self._link.call(self._link.operations.CancelOperation, request)

    async def delete(self) -> None:
        """See `OperationHandle.delete`."""
        request = operations_pb2.DeleteOperationRequest(name=self.name)
        await self._link.call(self._link.operations.DeleteOperation, request)
