"""The provider `yandex` in front of our own frontend keeps the laws, and answers as the model behind it does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from chained_laws import ChainedLaws, OverEcho, OverTheEmbeddedModel, engine
from dragoman import v1
from dragoman_service.contract import Provider
from dragoman_service.providers.yandex.provider import YandexProvider, open_yandex
from dragoman_service.providers.yandex.settings import YandexSettings
from dragoman_service.settings.types import Address
from dragoman_service.testing.serving import Served

__all__ = ["engine"]


@asynccontextmanager
async def chained(served: Served, model: str, **settings: Any) -> AsyncIterator[YandexProvider]:
    """The provider `yandex` with the service as its upstream."""
    yandex_settings = YandexSettings(
        folder_id="folder",
        models=(model,),
        endpoint=Address.parse(served.running.grpc_address),
        tls=False,
        attempts=1,
        **settings,
    )
    async with open_yandex(yandex_settings) as provider:
        yield provider


class TestOverEcho(OverEcho):
    def chain(self, served: Served) -> AbstractAsyncContextManager[Provider]:
        return chained(served, "echo")


class TestOverTheEmbeddedModel(OverTheEmbeddedModel, ChainedLaws):
    """All laws."""

    def chain(self, served: Served) -> AbstractAsyncContextManager[Provider]:
        return chained(served, "local")

    def failing_request(self, provider: Provider) -> v1.CompletionRequest:
        request = self.request(provider)
        request.messages[0].parts[0].text = "word " * 3000
        return request
