"""An open channel: every call over it carries the key and a deadline, and raises typed errors."""

# ruff: noqa: ASYNC109 - a timeout becomes the deadline of the call, which the service is told of
from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import TypeVar

import grpc
from google.longrunning.operations_pb2_grpc import OperationsStub
from grpc import aio

from dragoman import v1
from dragoman.channel import Connection
from dragoman.errors import of_rpc
from dragoman.stream import Ending

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


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

    def events(self, request: v1.CompletionRequest, timeout: float | None) -> Generator[v1.CompletionEvent, None, None]:
        """The events of one stream. Closing the generator hangs up."""
        ending = Ending(self.connection.target)
        seconds = self.connection.time_for(timeout)
        call = self.completions.StreamCompletion(request, timeout=seconds, metadata=self.connection.metadata)
        raised: grpc.RpcError | None = None
        try:
            for event in call:
                ending.see(event)
                yield event
        except grpc.RpcError as error:
            raised = error
        finally:
            call.cancel()
        if wrong := ending.error(raised):
            raise wrong from raised


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

    async def events(
        self,
        request: v1.CompletionRequest,
        timeout: float | None,
    ) -> AsyncGenerator[v1.CompletionEvent, None]:
        """The events of one stream. Closing the generator hangs up."""
        ending = Ending(self.connection.target)
        seconds = self.connection.time_for(timeout)
        call = self.completions.StreamCompletion(request, timeout=seconds, metadata=self.connection.metadata)
        raised: grpc.RpcError | None = None
        try:
            async for event in call:
                ending.see(event)
                yield event
        except grpc.RpcError as error:
            raised = error
        finally:
            call.cancel()
        if wrong := ending.error(raised):
            raise wrong from raised
