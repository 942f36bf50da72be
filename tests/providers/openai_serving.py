"""A provider of the scripted upstream, and the error that it ends with."""

from __future__ import annotations

from contextlib import AsyncExitStack, aclosing

import pytest
from dragoman import v1
from dragoman_service.contract import CompletionError, Provider
from dragoman_service.providers.openai.provider import OpenAIProvider, open_openai
from dragoman_service.providers.openai.settings import OpenAISettings
from local_asking import CALL, request
from scripted_upstream import Script, Upstream, upstream_of

ASKED = request("user: Hi")


class Serve:
    """Starts an upstream that follows `script` for each request, and a provider of it with these settings."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack

    async def __call__(self, script: Script, **settings: object) -> tuple[OpenAIProvider, Upstream]:
        upstream = await self._stack.enter_async_context(upstream_of(*script))
        table = {"base_url": upstream.url, "models": ["m", "n"], "api_key": "sk-test", **settings}
        given = {key: value for key, value in table.items() if value is not None}
        return await self._stack.enter_async_context(open_openai(OpenAISettings.model_validate(given))), upstream


async def failure(provider: Provider, asked: v1.CompletionRequest = ASKED) -> tuple[str, CompletionError]:
    """The text that was delivered, and the error after it."""
    delivered = ""
    with pytest.raises(CompletionError) as failed:
        async with aclosing(provider.complete(asked, CALL)) as events:  # type: ignore[type-var]
            async for event in events:
                delivered += event.delta.text
    return delivered, failed.value
