"""Clients of Gemini over gRPC, on the vendor's paths: of Vertex AI, and of both versions of the Gemini API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from dragoman.dialect.google.aiplatform import v1 as a
from dragoman.dialect.google.generativelanguage import v1 as g
from google.protobuf import json_format


@dataclass(frozen=True, slots=True)
class Package:
    """One of the vendor's packages: its messages, and the paths of its services."""

    messages: Any
    generating: str
    counting: str
    models: str = ""
    parent: str = "models/"


VERTEX = Package(
    a,
    "/google.cloud.aiplatform.v1.PredictionService/",
    "/google.cloud.aiplatform.v1.LlmUtilityService/",
    parent="projects/p/locations/l/publishers/google/models/",
)
BETA, STABLE = (
    Package(
        g,
        f"/google.ai.generativelanguage.{version}.GenerativeService/",
        f"/google.ai.generativelanguage.{version}.GenerativeService/",
        f"/google.ai.generativelanguage.{version}.ModelService/",
    )
    for version in ("v1beta", "v1")
)
PACKAGES = {"vertex": VERTEX, "beta": BETA, "stable": STABLE}


class Gemini:
    """Requests are given as JSON objects. Without a model they are for `echo`."""

    def __init__(self, channel: grpc.aio.Channel, package: Package) -> None:
        self._channel = channel
        self.package = package

    async def generate(self, metadata: Any = None, **fields: Any) -> Any:
        call = self._method(self.package.generating, "GenerateContent", "GenerateContentResponse")
        return await call(self.request(**fields), metadata=metadata)

    def stream(self, **fields: Any) -> Any:
        """The call, an iterator of the pieces."""
        answer = self.package.messages.GenerateContentResponse.FromString
        method = self._channel.unary_stream(f"{self.package.generating}StreamGenerateContent", None, answer)
        return method(self.request(**fields).SerializeToString())

    async def call(self, service: str, method: str, request: Any, answer: str) -> Any:
        return await self._method(service, method, answer)(request)

    def request(self, text: str = "hello big world", script: str = "", **fields: Any) -> Any:
        """A request for the answer to `text`, with a script for echo."""
        told = {"systemInstruction": {"parts": [{"text": f"echo: {script}"}]}} if script else {}
        contents = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
        model = {"model": f"{self.package.parent}echo"}
        return json_format.ParseDict(
            {**contents, **told, **model, **fields}, self.package.messages.GenerateContentRequest()
        )

    def _method(self, service: str, name: str, answer: str) -> Any:
        decode = getattr(self.package.messages, answer).FromString
        return self._channel.unary_unary(f"{service}{name}", lambda request: request.SerializeToString(), decode)


@asynccontextmanager
async def gemini_at(address: str, package: Package) -> AsyncIterator[Gemini]:
    async with grpc.aio.insecure_channel(address) as channel:
        yield Gemini(channel, package)


def text_of(*answers: Any) -> str:
    """The text of the first candidate, joined over the pieces of a stream."""
    return "".join(
        part.text for answer in answers for candidate in answer.candidates[:1] for part in candidate.content.parts
    )


async def refusal(call: Any) -> grpc.aio.AioRpcError:
    """The error of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value
