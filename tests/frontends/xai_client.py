"""A client of the vendor's services, on their own paths."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from dragoman.dialect.xai import v1 as x
from google.protobuf import json_format
from google.protobuf.empty_pb2 import Empty


class Xai:
    """Its methods take a request, and `metadata` if needed."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        def unary(path: str, request: Any, answer: Any) -> Any:
            return channel.unary_unary(f"/xai_api.{path}", request.SerializeToString, answer.FromString)

        self.sample = unary("Chat/GetCompletion", x.GetCompletionsRequest, x.GetChatCompletionResponse)
        self.stream = channel.unary_stream(
            "/xai_api.Chat/GetCompletionChunk",
            x.GetCompletionsRequest.SerializeToString,
            x.GetChatCompletionChunk.FromString,
        )
        self.start = unary("Chat/StartDeferredCompletion", x.GetCompletionsRequest, x.StartDeferredResponse)
        self.get = unary("Chat/GetDeferredCompletion", x.GetDeferredRequest, x.GetDeferredCompletionResponse)
        self.models = unary("Models/ListLanguageModels", Empty, x.ListLanguageModelsResponse)
        self.model = unary("Models/GetLanguageModel", x.GetModelRequest, x.LanguageModel)
        self.tokenize = unary("Tokenize/TokenizeText", x.TokenizeTextRequest, x.TokenizeTextResponse)
        self.key = unary("Auth/get_api_key_info", Empty, x.ApiKey)

    async def chunks(self, request: x.GetCompletionsRequest) -> list[x.GetChatCompletionChunk]:
        return [chunk async for chunk in self.stream(request)]

    async def deferred(self, request_id: str) -> x.GetDeferredCompletionResponse:
        found: x.GetDeferredCompletionResponse = await self.get(x.GetDeferredRequest(request_id=request_id))
        return found


@asynccontextmanager
async def xai_at(address: str) -> AsyncIterator[Xai]:
    async with grpc.aio.insecure_channel(address) as channel:
        yield Xai(channel)


def turn(role: str, text: str, **more: Any) -> dict[str, Any]:
    return {"role": f"ROLE_{role}", "content": [{"text": text}], **more}


def asking(text: str = "hello big world", script: str = "", **fields: Any) -> x.GetCompletionsRequest:
    """A request. `script` is a script for echo; the other keywords are fields with their JSON names."""
    messages = [turn("SYSTEM", f"echo: {script}")] if script else []
    body = {"model": "echo", "n": 1, "messages": [*messages, turn("USER", text)], **fields}
    return json_format.ParseDict(body, x.GetCompletionsRequest())
