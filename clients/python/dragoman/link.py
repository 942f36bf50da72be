"""An open channel: every call over it carries the key and a deadline, and raises typed errors."""

# ruff: noqa: ASYNC109 - a timeout becomes the deadline of the call, which the service is told of
from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from google.longrunning.operations_pb2_grpc import OperationsStub
from grpc import aio

from dragoman import v1
from dragoman.channel import Connection
from dragoman.errors import of_rpc
from dragoman.stream import Reading

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
if TYPE_CHECKING:
    _BlockingCall = grpc._CallIterator[v1.CompletionEvent]  # noqa: SLF001 - so the stubs name what has no public name
    _Call = aio.UnaryStreamCall[Any, v1.CompletionEvent]


class Link:
    """An open channel with its stubs; calls carry the key and a deadline, and raise typed errors."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        target, options = connection.target, connection.options
        if connection.credentials is None:
            self.channel = grpc.insecure_channel(target, options)
        else:
            self.channel = grpc.secure_channel(target, connection.credentials, options)
        self.completions = v1.CompletionServiceStub(self.channel)
        self.models = v1.ModelServiceStub(self.channel)
        self.operations = OperationsStub(self.channel)

    def call(
        self,
        method: grpc.UnaryUnaryMultiCallable[_Request, _Response],
        request: _Request,
        timeout: float | None = None,
        *,
        wait_for_ready: bool = False,
    ) -> _Response:
        """One unary call; `timeout` in seconds."""
        seconds = self.connection.time_for(timeout)
        metadata = self.connection.metadata
        try:
            return method(request, timeout=seconds, metadata=metadata, wait_for_ready=wait_for_ready)
        except grpc.RpcError as error:
            raise of_rpc(error, self.connection.target) from error

    def stream(self, request: v1.CompletionRequest, timeout: float | None) -> Generator[v1.CompletionEvent, None, None]:
        """The events of a new completion. Closing the generator hangs up."""
        reading, metadata = Reading(self.connection, self.connection.time_for(timeout)), self.connection.metadata
        method = self.completions.StreamCompletion
        return self._events(reading, lambda: method(request, timeout=reading.begin(), metadata=metadata))

    def attach(
        self, name: str, after_sequence: int, timeout: float | None
    ) -> Generator[v1.CompletionEvent, None, None]:
        """The events of an operation; `timeout` in seconds, None has no end. Closing the generator hangs up."""
        reading = Reading(self.connection, timeout, name, after_sequence)
        return self._events(reading, lambda: self._attached(reading))

    def _attached(self, reading: Reading) -> _BlockingCall:
        metadata = self.connection.metadata
        return self.completions.AttachCompletion(reading.request(), timeout=reading.begin(), metadata=metadata)

    def _events(
        self, reading: Reading, first_call: Callable[[], _BlockingCall]
    ) -> Generator[v1.CompletionEvent, None, None]:
        call = first_call()
        while True:
            raised: grpc.RpcError | None = None
            try:
                for event in call:
                    reading.see(event)
                    yield event
            except grpc.RpcError as error:
                raised = error
            finally:
                call.cancel()
            pause = reading.pause(raised)
            if pause is None:
                return
            time.sleep(pause)
            call = self._attached(reading)


class AsyncLink:
    """An open channel with its stubs; calls carry the key and a deadline, and raise typed errors."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        target, options = connection.target, connection.options
        if connection.credentials is None:
            self.channel = aio.insecure_channel(target, options)
        else:
            self.channel = aio.secure_channel(target, connection.credentials, options)
        self.completions = v1.CompletionServiceStub(self.channel)
        self.models = v1.ModelServiceStub(self.channel)
        self.operations = OperationsStub(self.channel)

    async def call(
        self,
        method: aio.UnaryUnaryMultiCallable[_Request, _Response],
        request: _Request,
        timeout: float | None = None,
        *,
        wait_for_ready: bool = False,
    ) -> _Response:
        """One unary call; `timeout` in seconds."""
        seconds = self.connection.time_for(timeout)
        metadata = self.connection.metadata
        try:
            return await method(request, timeout=seconds, metadata=metadata, wait_for_ready=wait_for_ready)
        except grpc.RpcError as error:
            raise of_rpc(error, self.connection.target) from error

    def stream(self, request: v1.CompletionRequest, timeout: float | None) -> AsyncGenerator[v1.CompletionEvent, None]:
        """The events of a new completion. Closing the generator hangs up."""
        reading, metadata = Reading(self.connection, self.connection.time_for(timeout)), self.connection.metadata
        method = self.completions.StreamCompletion
        return self._events(reading, lambda: method(request, timeout=reading.begin(), metadata=metadata))

    def attach(self, name: str, after_sequence: int, timeout: float | None) -> AsyncGenerator[v1.CompletionEvent, None]:
        """The events of an operation; `timeout` in seconds, None has no end. Closing the generator hangs up."""
        reading = Reading(self.connection, timeout, name, after_sequence)
        return self._events(reading, lambda: self._attached(reading))

    def _attached(self, reading: Reading) -> _Call:
        metadata = self.connection.metadata
        return self.completions.AttachCompletion(reading.request(), timeout=reading.begin(), metadata=metadata)

    async def _events(
        self, reading: Reading, first_call: Callable[[], _Call]
    ) -> AsyncGenerator[v1.CompletionEvent, None]:
        call = first_call()
        while True:
            raised: grpc.RpcError | None = None
            try:
                async for event in call:
                    reading.see(event)
                    yield event
            except grpc.RpcError as error:
                raised = error
            finally:
                call.cancel()
            pause = reading.pause(raised)
            if pause is None:
                return
            await asyncio.sleep(pause)
            call = self._attached(reading)
