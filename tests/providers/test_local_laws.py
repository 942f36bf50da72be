"""The embedded model keeps the laws of a provider."""

import pytest
from dragoman import v1
from dragoman_service.contract import Provider
from dragoman_service.providers.local import LocalProvider
from dragoman_service.testing import ProviderLaws
from local_asking import Busy


class TestLocal(ProviderLaws):
    @pytest.fixture
    def provider(self, local: LocalProvider, busy: Busy) -> LocalProvider:
        self.busy = busy
        return local

    def request(self, provider: Provider) -> v1.CompletionRequest:
        request = super().request(provider)
        request.generation_config.max_output_tokens = 40
        return request

    def failing_request(self, provider: Provider) -> v1.CompletionRequest:
        request = self.request(provider)
        request.messages[0].parts[0].text = "word " * 3000
        return request

    async def running(self, provider: Provider) -> int:
        return await self.busy()
