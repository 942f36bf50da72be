"""Open channels with their stubs. Every call carries the API key and a deadline, and raises typed errors."""

# ruff: noqa: ASYNC109 - a timeout becomes the deadline of the call, which the service receives
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
from dragoman.errors import from_rpc_error
from dragoman.stream import StreamProgress

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
if TYPE_CHECKING:
    _BlockingCall = grpc._CallIterator[v1.CompletionEvent]  # noqa: SLF001 - the stubs' name for a type without a public name
    _Call = aio.UnaryStreamCall[Any, v1.CompletionEvent]


class Transport:
    """A blocking channel and its stubs."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        target, options = connection.target, connection.options
        if connection.credentials is None:
            self.channel = grpc.insecure_channel(target, options)
        else:
            self.channel = grpc.secure_channel(target, connection.credentials, options)
        self.completions = v1.CompletionServiceStub(self.channel)
        self.models = v1.ModelServiceStub(self.channel)
        self.admin = v1.AdminServiceStub(self.channel)
        self.limits = v1.LimitServiceStub(self.channel)
        self.usage = v1.UsageServiceStub(self.channel)
        self.operations = OperationsStub(self.channel)

    def call(
        self,
        method: grpc.UnaryUnaryMultiCallable[_Request, _Response],
        request: _Request,
        timeout: float | None = None,
        *,
        wait_for_ready: bool = False,
    ) -> _Response:
        """Makes a unary call. `timeout` is in seconds; None means the connection's default."""
        seconds = self.connection.timeout_or_default(timeout)
        metadata = self.connection.metadata
        try:
            return method(request, timeout=seconds, metadata=metadata, wait_for_ready=wait_for_ready)
        except grpc.RpcError as error:
            raise from_rpc_error(error, self.connection.target) from error

    def stream(self, request: v1.CompletionRequest, timeout: float | None) -> Generator[v1.CompletionEvent, None, None]:
        """The events of a new completion. Closing the generator cancels the call."""
        progress = StreamProgress(self.connection, self.connection.timeout_or_default(timeout))
        method, metadata = self.completions.StreamCompletion, self.connection.metadata
        return self._events(progress, lambda: method(request, timeout=progress.begin_call(), metadata=metadata))

    def attach(
        self, name: str, after_sequence: int, timeout: float | None
    ) -> Generator[v1.CompletionEvent, None, None]:
        """The events of an operation. `timeout` None means no limit. Closing the generator cancels the call."""
        progress = StreamProgress(self.connection, timeout, name, after_sequence)
        return self._events(progress, lambda: self._attach(progress))

    def _attach(self, progress: StreamProgress) -> _BlockingCall:
        metadata = self.connection.metadata
        return self.completions.AttachCompletion(
            progress.attach_request(), timeout=progress.begin_call(), metadata=metadata
        )

    def _events(
        self, progress: StreamProgress, first_call: Callable[[], _BlockingCall]
    ) -> Generator[v1.CompletionEvent, None, None]:
        # Each round is one call: the first one, then AttachCompletion after every interruption. `finally` also runs if
        # the caller closes the generator at `yield`, which has to reach the service as a cancellation.
        call = first_call()
        while True:
            raised: grpc.RpcError | None = None
            try:
                for event in call:
                    progress.record(event)
                    yield event
            except grpc.RpcError as error:
                raised = error
            finally:
                call.cancel()
            delay = progress.next_delay(raised)
            if delay is None:
                return
            time.sleep(delay)
            call = self._attach(progress)


class AsyncTransport:
    """An asyncio channel and its stubs."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        target, options = connection.target, connection.options
        if connection.credentials is None:
            self.channel = aio.insecure_channel(target, options)
        else:
            self.channel = aio.secure_channel(target, connection.credentials, options)
        self.completions = v1.CompletionServiceStub(self.channel)
        self.models = v1.ModelServiceStub(self.channel)
        self.admin = v1.AdminServiceStub(self.channel)
        self.limits = v1.LimitServiceStub(self.channel)
        self.usage = v1.UsageServiceStub(self.channel)
        self.operations = OperationsStub(self.channel)

    async def call(
        self,
        method: aio.UnaryUnaryMultiCallable[_Request, _Response],
        request: _Request,
        timeout: float | None = None,
        *,
        wait_for_ready: bool = False,
    ) -> _Response:
        """Makes a unary call. `timeout` is in seconds; None means the connection's default."""
        seconds = self.connection.timeout_or_default(timeout)
        metadata = self.connection.metadata
        try:
            return await method(request, timeout=seconds, metadata=metadata, wait_for_ready=wait_for_ready)
        except grpc.RpcError as error:
            raise from_rpc_error(error, self.connection.target) from error

    def stream(self, request: v1.CompletionRequest, timeout: float | None) -> AsyncGenerator[v1.CompletionEvent, None]:
        """The events of a new completion. Closing the generator cancels the call."""
        progress = StreamProgress(self.connection, self.connection.timeout_or_default(timeout))
        method, metadata = self.completions.StreamCompletion, self.connection.metadata
        return self._events(progress, lambda: method(request, timeout=progress.begin_call(), metadata=metadata))

    def attach(self, name: str, after_sequence: int, timeout: float | None) -> AsyncGenerator[v1.CompletionEvent, None]:
        """The events of an operation. `timeout` None means no limit. Closing the generator cancels the call."""
        progress = StreamProgress(self.connection, timeout, name, after_sequence)
        return self._events(progress, lambda: self._attach(progress))

    def _attach(self, progress: StreamProgress) -> _Call:
        metadata = self.connection.metadata
        return self.completions.AttachCompletion(
            progress.attach_request(), timeout=progress.begin_call(), metadata=metadata
        )

    async def _events(
        self, progress: StreamProgress, first_call: Callable[[], _Call]
    ) -> AsyncGenerator[v1.CompletionEvent, None]:
        # Each round is one call: the first one, then AttachCompletion after every interruption. `finally` also runs if
        # the caller closes the generator at `yield`, which has to reach the service as a cancellation.
        call = first_call()
        while True:
            raised: grpc.RpcError | None = None
            try:
                async for event in call:
                    progress.record(event)
                    yield event
            except grpc.RpcError as error:
                raised = error
            finally:
                call.cancel()
            delay = progress.next_delay(raised)
            if delay is None:
                return
            await asyncio.sleep(delay)
            call = self._attach(progress)
