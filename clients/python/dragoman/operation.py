"""Handles for long-running operations: their state, their result and their events."""

# ruff: noqa: ASYNC109 - a timeout becomes part of a request
from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator, Generator, Iterator
from typing import Self

from google.longrunning import operations_pb2
from google.protobuf.duration_pb2 import Duration

from dragoman import v1
from dragoman.errors import from_status
from dragoman.transport import AsyncTransport, Transport

_SLACK = 10.0  # seconds that the answer to a WaitOperation may be late


def metadata_of(operation: operations_pb2.Operation) -> v1.CompletionOperationMetadata:
    """Progress and properties of the operation; an empty message if its state was never read."""
    metadata = v1.CompletionOperationMetadata()
    operation.metadata.Unpack(metadata)
    return metadata


def completion_of(operation: operations_pb2.Operation) -> v1.Completion:
    """The operation's answer. Raises the operation's error, or TimeoutError if it is not done yet."""
    if not operation.done:
        state = v1.CompletionOperationMetadata.State.Name(metadata_of(operation).state).removeprefix("STATE_")
        raise TimeoutError(f"{operation.name} is not done yet ({state}). It continues: wait again, or cancel it.")
    if operation.HasField("error"):
        raise from_status(operation.error)
    completion = v1.Completion()
    operation.response.Unpack(completion)
    return completion


def wait_requests(
    name: str, timeout: float | None, longest_wait: float
) -> Iterator[tuple[operations_pb2.WaitOperationRequest, float]]:
    """Requests to send in turn until the operation is done or `timeout` has passed, each with its call's timeout.

    There is always at least one, which returns the newest state. All times are in seconds; `timeout` None means no
    limit. A long wait becomes several calls of `longest_wait` each.
    """
    end = math.inf if timeout is None else time.monotonic() + timeout
    left = longest_wait
    while left > 0:
        left = max(0.0, min(end - time.monotonic(), longest_wait))
        duration = Duration()
        duration.FromMilliseconds(round(left * 1000))
        yield operations_pb2.WaitOperationRequest(name=name, timeout=duration), left + _SLACK
        left = end - time.monotonic()


class OperationHandle:
    """A long-running operation. `operation` is the newest state that was read; reading it makes no call."""

    def __init__(self, transport: Transport, operation: operations_pb2.Operation) -> None:
        self._transport = transport
        self.operation = operation

    @property
    def name(self) -> str:
        """`operations/` followed by an id; `Client.operation` finds the operation by this name."""
        return self.operation.name

    def refresh(self) -> Self:
        """Reads the newest state, unless the final state is known already, which never changes."""
        if not self.operation.done:
            request = operations_pb2.GetOperationRequest(name=self.name)
            self.operation = self._transport.call(self._transport.operations.GetOperation, request)
        return self

    def status(self) -> v1.CompletionOperationMetadata:
        """Reads the newest state and returns the operation's progress and properties."""
        return metadata_of(self.refresh().operation)

    def done(self) -> bool:
        """Reads the newest state and returns whether the operation has ended, successfully or not."""
        return self.refresh().operation.done

    def wait(self, timeout: float | None = None) -> Self:
        """Waits until the operation is done or `timeout` seconds have passed; None means no limit.

        `operation` is then the newest state. Waiting continues while the service restarts.
        """
        if not self.operation.done:
            for request, seconds in wait_requests(self.name, timeout, self._transport.connection.longest_wait):
                self.operation = self._transport.call(
                    self._transport.operations.WaitOperation, request, seconds, wait_for_ready=True
                )
                if self.operation.done:
                    break
        return self

    def result(self, timeout: float | None = None) -> v1.Completion:
        """Waits for the answer. Raises the operation's error, or TimeoutError after `timeout` seconds, if set."""
        return completion_of(self.wait(timeout).operation)

    def events(
        self, after_sequence: int = 0, *, timeout: float | None = None
    ) -> Generator[v1.CompletionEvent, None, None]:
        """The stored events after number `after_sequence`, then new ones as they arrive, up to `finished`.

        Raises the operation's error after `finished`, and DeadlineExceededError after `timeout` seconds; None means no
        limit. If the connection or the server is lost, reading resumes after the last event received, on any server
        that the target leads to; it raises BrokenStreamError after the client's `reconnect_timeout` (two minutes by
        default) without contact. Closing the generator does not stop the operation. An event `retracted` invalidates
        the events from `retracted.from_sequence` on.
        """
        return self._transport.attach(self.name, after_sequence, timeout)

    def cancel(self) -> None:
        """Asks the service to stop the operation, which then ends as CANCELLED unless it ended first."""
        self._transport.call(
            self._transport.operations.CancelOperation, operations_pb2.CancelOperationRequest(name=self.name)
        )

    def delete(self) -> None:
        """Deletes the operation and its answer. An operation that is still running is stopped."""
        self._transport.call(
            self._transport.operations.DeleteOperation, operations_pb2.DeleteOperationRequest(name=self.name)
        )


class AsyncOperationHandle:
    """`dragoman.OperationHandle` for asyncio."""

    def __init__(self, transport: AsyncTransport, operation: operations_pb2.Operation) -> None:
        self._transport = transport
        self.operation = operation

    @property
    def name(self) -> str:
        """See `OperationHandle.name`."""
        return self.operation.name

    async def refresh(self) -> Self:
        """See `OperationHandle.refresh`."""
        if not self.operation.done:
            request = operations_pb2.GetOperationRequest(name=self.name)
            self.operation = await self._transport.call(self._transport.operations.GetOperation, request)
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
            for request, seconds in wait_requests(self.name, timeout, self._transport.connection.longest_wait):
                self.operation = await self._transport.call(
                    self._transport.operations.WaitOperation, request, seconds, wait_for_ready=True
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
        """See `OperationHandle.events`. `contextlib.aclosing` ends the call for certain if you leave early."""
        return self._transport.attach(self.name, after_sequence, timeout)

    async def cancel(self) -> None:
        """See `OperationHandle.cancel`."""
        request = operations_pb2.CancelOperationRequest(name=self.name)
        await self._transport.call(self._transport.operations.CancelOperation, request)

    async def delete(self) -> None:
        """See `OperationHandle.delete`."""
        request = operations_pb2.DeleteOperationRequest(name=self.name)
        await self._transport.call(self._transport.operations.DeleteOperation, request)
