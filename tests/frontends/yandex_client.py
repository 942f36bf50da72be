"""A client of the vendor's services, on their own paths, and of the REST API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from dragoman.dialect.yandex import v1 as y
from google.protobuf import json_format

FOUNDATION = "/yandex.cloud.ai.foundation_models.v1."
TEXT, MODEL = "hello big world", "gpt://folder/echo/latest"
Metadata = tuple[tuple[str, str], ...]


class Yandex:
    """Its methods take a request, and `metadata` if needed."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        def unary(path: str, request: Any, answer: Any) -> Any:
            return channel.unary_unary(path, request.SerializeToString, answer.FromString)

        generation, tokenizer = f"{FOUNDATION}TextGenerationService", f"{FOUNDATION}TokenizerService"
        self.completion = channel.unary_stream(
            f"{generation}/Completion", y.CompletionRequest.SerializeToString, y.CompletionResponse.FromString
        )
        self.deferred = unary(f"{FOUNDATION}TextGenerationAsyncService/Completion", y.CompletionRequest, y.Operation)
        self.tokenize = unary(f"{tokenizer}/Tokenize", y.TokenizeRequest, y.TokenizeResponse)
        self.tokenize_completion = unary(f"{tokenizer}/TokenizeCompletion", y.CompletionRequest, y.TokenizeResponse)
        operations = "/yandex.cloud.operation.OperationService"
        self.get = unary(f"{operations}/Get", y.GetOperationRequest, y.Operation)
        self.cancel = unary(f"{operations}/Cancel", y.CancelOperationRequest, y.Operation)
        endpoints = "/yandex.cloud.endpoint.ApiEndpointService"
        self.endpoint = unary(f"{endpoints}/Get", y.GetApiEndpointRequest, y.ApiEndpoint)
        self.endpoints = unary(f"{endpoints}/List", y.ListApiEndpointsRequest, y.ListApiEndpointsResponse)

    async def pieces(self, request: y.CompletionRequest, metadata: Metadata = ()) -> list[y.CompletionResponse]:
        return [piece async for piece in self.completion(request, metadata=metadata)]

    async def operation(self, operation_id: str) -> y.Operation:
        found: y.Operation = await self.get(y.GetOperationRequest(operation_id=operation_id))
        return found


@asynccontextmanager
async def yandex_at(address: str) -> AsyncIterator[Yandex]:
    async with grpc.aio.insecure_channel(address) as channel:
        yield Yandex(channel)


def asking(
    text: str = "hello big world", model: str = "gpt://folder/echo/latest", **fields: Any
) -> y.CompletionRequest:
    """A request. `script` is a script for echo; the other keywords are fields with their JSON names."""
    return json_format.ParseDict(body(text, model, **fields), y.CompletionRequest())


def body(text: str = TEXT, model: str = MODEL, **fields: Any) -> dict[str, Any]:
    """The same request as JSON."""
    script = fields.pop("script", "")
    messages = [{"role": "system", "text": f"echo: {script}"}] if script else []
    return {"modelUri": model, "messages": [*messages, {"role": "user", "text": text}], **fields}


async def refusal(call: Any) -> grpc.aio.AioRpcError:
    """The error of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value
