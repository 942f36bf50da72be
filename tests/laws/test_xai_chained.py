"""The provider `xai` in front of our own frontend keeps the laws, and answers as the model behind it does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from chained_laws import OverEcho, OverTheEmbeddedModel, engine
from dragoman import v1
from dragoman_service.contract import Provider
from dragoman_service.providers.xai.provider import XaiProvider, open_xai
from dragoman_service.providers.xai.settings import XaiSettings
from dragoman_service.testing.serving import Served

__all__ = ["engine"]


@asynccontextmanager
async def chained(served: Served, model: str, **settings: Any) -> AsyncIterator[XaiProvider]:
    """The provider `xai` with the service as its upstream."""
    address = served.running.grpc_address
    asked = {"models": [model], "endpoint": address, "tls": False, **settings}
    async with open_xai(XaiSettings.model_validate(asked)) as provider:
        yield provider


class WithoutClaims:
    """The provider without the claims that the embedded model behind it cannot meet."""

    def __init__(self, provider: XaiProvider) -> None:
        self._models = list(provider.models())
        for model in self._models:
            kept = [field for field in model.supported_fields if not field.startswith(("tool", "messages."))]
            model.supported_fields[:] = [field for field in kept if field != "generation_config.reasoning"]
        self.complete, self.count_tokens, self.tokenize = provider.complete, provider.count_tokens, provider.tokenize

    def models(self) -> list[v1.Model]:
        return self._models


class TestOverEcho(OverEcho):
    def chain(self, served: Served) -> AbstractAsyncContextManager[Provider]:
        return chained(served, "echo")


class TestOverTheEmbeddedModel(OverTheEmbeddedModel):
    def claiming_less(self, provider: Provider) -> Provider:
        return WithoutClaims(provider)

    def chain(self, served: Served) -> AbstractAsyncContextManager[Provider]:
        return chained(served, "local")
