"""Puts one service behind another: the OpenAI dialect against itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from dragoman import v1
from dragoman_service.contract import Provider
from dragoman_service.dialects.openai.client.quirks import CHAT_NAMES, JSON_FORMATS, PROMPT_NAMES, Quirks, names
from dragoman_service.providers.openai.provider import OpenAIProvider
from dragoman_service.providers.upstream.http import open_http
from dragoman_service.providers.upstream.settings import Asked
from dragoman_service.testing import Served, serving

_MORE = {"top_k": "top_k", "min_p": "min_p", "repetition_penalty": "repetition_penalty"}
OURS = Quirks(
    names=names(CHAT_NAMES, **_MORE),
    prompt_names=names(PROMPT_NAMES, **_MORE),
    formats=JSON_FORMATS | {"grammar"},
    parts=frozenset({"reasoning", "refusal"}),
    developer_role="developer",
    data_role="data",
    allowed_tools=True,
    tool_names=True,
)
"""The quirks of our own frontend: every field of the schema passes through it."""


@asynccontextmanager
async def behind(provider: Provider, asked: Asked = "auto") -> AsyncIterator[tuple[OpenAIProvider, Served]]:
    """Yields a provider whose upstream, over HTTP, is a service with only `provider`, and that service.

    Its model supports the same fields as the inner one.
    """
    async with serving({"inner": provider}) as inner:
        (model,) = inner.running.engine.models("anonymous")
        shown = v1.Model(
            provider_model=model.name, supported_fields=model.supported_fields, availability=v1.AVAILABILITY_READY
        )
        async with open_http(f"http://{inner.running.http_address}/v1") as http:
            yield OpenAIProvider(http, [shown], OURS, asked=asked), inner


async def answers(outer: Served, inner: Served, request: v1.CompletionRequest) -> list[Any]:
    """The answers to a request: from the inner service, and through the outer one, whole and streamed."""
    (far,), (near,) = (served.running.engine.models("anonymous") for served in (outer, inner))
    asked, direct = v1.CompletionRequest(), v1.CompletionRequest()
    asked.CopyFrom(request)
    direct.CopyFrom(request)
    asked.model, direct.model = far.name, near.name
    events = [event async for event in outer.completions.StreamCompletion(asked)]
    completions = (
        await inner.completions.CreateCompletion(direct),
        await outer.completions.CreateCompletion(asked),
        events[-1].finished.completion,
    )
    return [list(_content(completion)) for completion in completions]


def _content(completion: v1.Completion) -> Iterator[Any]:
    """The content of an answer without names and times. Ids of tool calls belong to it: callers send them back."""
    for choice in completion.choices:
        yield choice.index, choice.message, choice.finish_reason, list(choice.logprobs)
    yield completion.usage
