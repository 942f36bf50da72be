"""The client for asyncio: the same methods as `dragoman.client`, awaited."""

# ruff: noqa: ASYNC109 - a timeout becomes the deadline of the call
from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from functools import cached_property
from typing import Self, Unpack

from google.longrunning import operations_pb2

from dragoman import v1
from dragoman.channel import DEFAULT_TIMEOUT, TLS, Connection
from dragoman.link import AsyncLink
from dragoman.operation import AsyncOperationHandle
from dragoman.request import Options, Prompt, StartOptions, completion_request, start_request, tokenize_request


class AsyncClient:
    """`dragoman.Client` for asyncio: the same arguments, methods and errors. One client serves one event loop."""

    def __init__(
        self,
        target: str | None = None,
        *,
        api_key: str | None = None,
        tls: TLS | bool | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self._connection = Connection.of(target, api_key, tls, timeout)

    @cached_property
    def _link(self) -> AsyncLink:
        """Opened by the first call, since a channel belongs to the event loop that is running then."""
        return AsyncLink(self._connection)

    async def complete(
        self,
        prompt: Prompt,
        *,
        model: str | None = None,
        timeout: float | None = None,
        **options: Unpack[Options],
    ) -> v1.Completion:
        """See `Client.complete`."""
        request = completion_request(prompt, model, options)
        return await self._link.call(self._link.completions.CreateCompletion, request, timeout)

    def stream(
        self, prompt: Prompt, *, model: str | None = None, timeout: float | None = None, **options: Unpack[Options]
    ) -> AsyncGenerator[v1.CompletionEvent, None]:
        """See `Client.stream`. To leave it early and know that it has ended, use `contextlib.aclosing`."""
        return self._link.stream(completion_request(prompt, model, options), timeout)

    async def start(
        self,
        prompt: Prompt,
        *,
        model: str | None = None,
        timeout: float | None = None,
        **options: Unpack[StartOptions],
    ) -> AsyncOperationHandle:
        """See `Client.start`."""
        request = start_request(prompt, model, options)
        operation = await self._link.call(self._link.completions.StartCompletion, request, timeout)
        return AsyncOperationHandle(self._link, operation)

    def attach(
        self, name: str, after_sequence: int = 0, *, timeout: float | None = None
    ) -> AsyncGenerator[v1.CompletionEvent, None]:
        """See `Client.attach`. To leave it early and know that it has ended, use `contextlib.aclosing`."""
        return self.operation(name).events(after_sequence, timeout=timeout)

    def operation(self, name: str) -> AsyncOperationHandle:
        """See `Client.operation`."""
        return AsyncOperationHandle(self._link, operations_pb2.Operation(name=name))

    async def operations(self, filter: str = "", page_size: int = 0) -> AsyncIterator[operations_pb2.Operation]:  # noqa: A002
        """See `Client.operations`."""
        request = operations_pb2.ListOperationsRequest(filter=filter, page_size=page_size)
        while True:
            page = await self._link.call(self._link.operations.ListOperations, request)
            for operation in page.operations:
                yield operation
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def models(self) -> list[v1.Model]:
        """See `Client.models`."""
        request = v1.ListModelsRequest()
        models: list[v1.Model] = []
        while True:
            page = await self._link.call(self._link.models.ListModels, request)
            models.extend(page.models)
            if not page.next_page_token:
                return models
            request.page_token = page.next_page_token

    async def model(self, name: str) -> v1.Model:
        """See `Client.model`."""
        return await self._link.call(self._link.models.GetModel, v1.GetModelRequest(name=name))

    async def count_tokens(
        self,
        prompt: Prompt,
        *,
        model: str | None = None,
        timeout: float | None = None,
        **options: Unpack[Options],
    ) -> v1.CountTokensResponse:
        """See `Client.count_tokens`."""
        request = completion_request(prompt, model, options)
        return await self._link.call(self._link.completions.CountTokens, request, timeout)

    async def tokenize(
        self,
        text: str | v1.CompletionRequest,
        *,
        model: str | None = None,
        timeout: float | None = None,
    ) -> list[v1.Token]:
        """See `Client.tokenize`."""
        answer = await self._link.call(self._link.completions.Tokenize, tokenize_request(text, model), timeout)
        return list(answer.tokens)

    async def close(self) -> None:
        """Closes the connection; calls under way are cancelled."""
        if "_link" in self.__dict__:
            await self._link.channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
