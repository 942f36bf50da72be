"""Handles for long-running operations: their state, their result and their events."""

# ruff: noqa: ASYNC109 - a timeout becomes part of a request
from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Generator
from typing import Self

from google.longrunning import operations_pb2
from google.protobuf.duration_pb2 import Duration

from dragoman import v1
from dragoman.channel import Connection
from dragoman.errors import DeadlineExceededError, DragomanError, from_status
from dragoman.stream import reconnect_delay
from dragoman.transport import AsyncTransport, Transport

_SHORT_WAIT = 2.0  # seconds of a WaitOperation that no proxy takes for a dead one
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


class Wait:
    """Decides which calls wait for an operation, and what follows one that failed. It does no I/O.

    A long wait becomes several calls of the connection's `longest_wait` each; at least one is made, which returns the
    newest state. All times are in seconds; `timeout` None means no limit.
    """

    def __init__(self, name: str, timeout: float | None, connection: Connection) -> None:
        self._name, self._connection = name, connection
        self._last_contact = self._call_began = time.monotonic()
        self._longest = connection.longest_wait
        self._end = math.inf if timeout is None else self._last_contact + timeout
        self._failures = 0

    def next_call(self) -> tuple[operations_pb2.WaitOperationRequest, float]:
        """The request of the call that is due, and its timeout."""
        self._call_began = time.monotonic()
        left = max(0.0, min(self._end - self._call_began, self._longest))
        duration = Duration()
        duration.FromMilliseconds(round(left * 1000))
        return operations_pb2.WaitOperationRequest(name=self._name, timeout=duration), left + _SLACK

    def is_over(self, operation: operations_pb2.Operation) -> bool:
        """Whether no further call follows one that returned `operation`."""
        self._last_contact, self._failures = time.monotonic(), 0
        return operation.done or self._end <= self._last_contact

    def next_delay(self, error: DragomanError) -> float:
        """Seconds until the next call, after one that failed. Raises `error` if another call cannot help."""
        is_silent = isinstance(error, DeadlineExceededError) and not error.reason  # nobody answered
        lasted = time.monotonic() - self._call_began
        self._longest = min(self._longest, max(lasted / 2, _SHORT_WAIT))  # a proxy may have ended a long one
        gives_up = min(self._end, self._last_contact + self._connection.reconnect_timeout)
        if not (error.transient or is_silent) or time.monotonic() >= gives_up:
            raise error
        delay = max(reconnect_delay(self._connection, self._failures), error.retry_after or 0.0)
        self._failures += 1
        return max(0.0, min(delay, self._end - time.monotonic()))


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

        `operation` is then the newest state. Waiting continues while the service restarts, up to the client's
        `reconnect_timeout` without contact.
        """
        wait, method = Wait(self.name, timeout, self._transport.connection), self._transport.operations.WaitOperation
        while not self.operation.done:
            try:
                self.operation = self._transport.call(method, *wait.next_call(), wait_for_ready=True)
            except DragomanError as error:
                time.sleep(wait.next_delay(error))
            else:
                if wait.is_over(self.operation):
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

    def request(self) -> v1.CompletionRequest:
        """The request of an operation that was started with `keep_request`. Raises FailedPreconditionError for one that
        was not."""
        request = v1.GetCompletionRequestRequest(name=self.name)
        return self._transport.call(self._transport.completions.GetCompletionRequest, request)

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
        wait, method = Wait(self.name, timeout, self._transport.connection), self._transport.operations.WaitOperation
        while not self.operation.done:
            try:
                self.operation = await self._transport.call(method, *wait.next_call(), wait_for_ready=True)
            except DragomanError as error:
                await asyncio.sleep(wait.next_delay(error))
            else:
                if wait.is_over(self.operation):
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

    async def request(self) -> v1.CompletionRequest:
        """See `OperationHandle.request`."""
        request = v1.GetCompletionRequestRequest(name=self.name)
        return await self._transport.call(self._transport.completions.GetCompletionRequest, request)

    async def cancel(self) -> None:
        """See `OperationHandle.cancel`."""
        request = operations_pb2.CancelOperationRequest(name=self.name)
        await self._transport.call(self._transport.operations.CancelOperation, request)

    async def delete(self) -> None:
        """See `OperationHandle.delete`."""
        request = operations_pb2.DeleteOperationRequest(name=self.name)
        await self._transport.call(self._transport.operations.DeleteOperation, request)
