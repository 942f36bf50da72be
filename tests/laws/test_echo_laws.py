"""`echo` keeps the laws of a provider."""

import pytest
from dragoman import v1
from dragoman_service.contract import Provider
from dragoman_service.providers.echo.provider import Echo, EchoSettings
from dragoman_service.testing import ProviderLaws


class TestEcho(ProviderLaws):
    @pytest.fixture
    def provider(self) -> Echo:
        return Echo(EchoSettings(delay=0.005))

    def failing_request(self, provider: Provider) -> v1.CompletionRequest:
        request = self.request(provider)
        request.messages.add(role=v1.ROLE_SYSTEM).parts.add(text='echo: {"fail_after": 2}')
        return request

    async def running(self, provider: Provider) -> int:
        assert isinstance(provider, Echo)
        return provider.running
