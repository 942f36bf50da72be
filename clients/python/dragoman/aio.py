"""The asyncio client."""

# ruff: noqa: ASYNC109 - a timeout becomes the deadline of the call
from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from functools import cached_property
from typing import Self, Unpack

from google.longrunning import operations_pb2

from dragoman import v1
from dragoman.channel import (
    DEFAULT_LONGEST_WAIT,
    DEFAULT_RECONNECT_DELAY,
    DEFAULT_RECONNECT_TIMEOUT,
    DEFAULT_TIMEOUT,
    TLS,
    Connection,
)
from dragoman.operation import AsyncOperationHandle
from dragoman.request import Options, Prompt, StartOptions, completion_request, start_request, tokenize_request
from dragoman.transport import AsyncTransport


class AsyncClient:
    """`Client` for asyncio, with the same arguments, methods and errors. A client serves one event loop."""

    def __init__(
        self,
        target: str | None = None,
        *,
        api_key: str | None = None,
        tls: TLS | bool | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        reconnect_timeout: float = DEFAULT_RECONNECT_TIMEOUT,
        reconnect_delay: float = DEFAULT_RECONNECT_DELAY,
        longest_wait: float = DEFAULT_LONGEST_WAIT,
    ) -> None:
        self._connection = Connection.of(
            target,
            api_key,
            tls,
            timeout=timeout,
            reconnect_timeout=reconnect_timeout,
            reconnect_delay=reconnect_delay,
            longest_wait=longest_wait,
        )

    @cached_property
    def _transport(self) -> AsyncTransport:
        """Opened by the first call, because a channel belongs to the event loop that runs at that moment."""
        return AsyncTransport(self._connection)

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
        return await self._transport.call(self._transport.completions.CreateCompletion, request, timeout)

    def stream(
        self, prompt: Prompt, *, model: str | None = None, timeout: float | None = None, **options: Unpack[Options]
    ) -> AsyncGenerator[v1.CompletionEvent, None]:
        """See `Client.stream`. `contextlib.aclosing` ends the call for certain if you leave early."""
        return self._transport.stream(completion_request(prompt, model, options), timeout)

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
        operation = await self._transport.call(self._transport.completions.StartCompletion, request, timeout)
        return AsyncOperationHandle(self._transport, operation)

    def attach(
        self, name: str, after_sequence: int = 0, *, timeout: float | None = None
    ) -> AsyncGenerator[v1.CompletionEvent, None]:
        """See `Client.attach`. `contextlib.aclosing` ends the call for certain if you leave early."""
        return self.operation(name).events(after_sequence, timeout=timeout)

    def operation(self, name: str) -> AsyncOperationHandle:
        """See `Client.operation`."""
        return AsyncOperationHandle(self._transport, operations_pb2.Operation(name=name))

    async def operations(self, filter: str = "", page_size: int = 0) -> AsyncIterator[operations_pb2.Operation]:  # noqa: A002
        """See `Client.operations`."""
        request = operations_pb2.ListOperationsRequest(filter=filter, page_size=page_size)
        while True:
            page = await self._transport.call(self._transport.operations.ListOperations, request)
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
            page = await self._transport.call(self._transport.models.ListModels, request)
            models.extend(page.models)
            if not page.next_page_token:
                return models
            request.page_token = page.next_page_token

    async def model(self, name: str) -> v1.Model:
        """See `Client.model`."""
        return await self._transport.call(self._transport.models.GetModel, v1.GetModelRequest(name=name))

    async def explain_route(
        self, request: v1.CompletionRequest, *, caller: str = "", input_tokens: int | None = None
    ) -> v1.ExplainRouteResponse:
        """The targets of a request in the order in which they would be asked, and why others would not be.

        It needs an API key with the scope `admin.read`. `caller` is the id of the key that would send the request
        (default: this client's), `input_tokens` replaces the estimate of the prompt's size.
        """
        asked = v1.ExplainRouteRequest(request=request, caller=caller, input_tokens=input_tokens)
        return await self._transport.call(self._transport.admin.ExplainRoute, asked)

    async def workers(self) -> list[v1.Worker]:
        """See `Client.workers`."""
        answer = await self._transport.call(self._transport.admin.ListWorkers, v1.ListWorkersRequest())
        return list(answer.workers)

    async def limits(self, model: str = "") -> list[v1.Limit]:
        """See `Client.limits`."""
        request = v1.GetLimitsRequest(model=model)
        return list((await self._transport.call(self._transport.limits.GetLimits, request)).limits)

    async def usage(
        self,
        filter: v1.UsageFilter | None = None,  # noqa: A002
        *,
        oldest_first: bool = False,
        page_size: int = 0,
    ) -> AsyncIterator[v1.UsageRecord]:
        """See `Client.usage`."""
        request = v1.ListUsageRequest(filter=filter, page_size=page_size, oldest_first=oldest_first)
        while True:
            page = await self._transport.call(self._transport.usage.ListUsage, request)
            for record in page.records:
                yield record
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def summarize_usage(
        self,
        *group_by: v1.SummarizeUsageRequest.Group.ValueType,
        filter: v1.UsageFilter | None = None,  # noqa: A002
    ) -> list[v1.UsageSummary]:
        """See `Client.summarize_usage`."""
        request = v1.SummarizeUsageRequest(filter=filter, group_by=group_by)
        return list((await self._transport.call(self._transport.usage.SummarizeUsage, request)).summaries)

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
        return await self._transport.call(self._transport.completions.CountTokens, request, timeout)

    async def tokenize(
        self,
        text: str | v1.CompletionRequest,
        *,
        model: str | None = None,
        timeout: float | None = None,
    ) -> list[v1.Token]:
        """See `Client.tokenize`."""
        answer = await self._transport.call(
            self._transport.completions.Tokenize, tokenize_request(text, model), timeout
        )
        return list(answer.tokens)

    async def close(self) -> None:
        """See `Client.close`."""
        if "_transport" in self.__dict__:
            await self._transport.channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
