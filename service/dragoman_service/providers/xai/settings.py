"""The settings of one upstream."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, model_validator

from dragoman_service.providers.upstream.errors import secret_values
from dragoman_service.providers.upstream.settings import Asked, Key, ModelNames, Timeout
from dragoman_service.settings.types import Address, Certificates, Section

_Address = Annotated[Address, BeforeValidator(Address.parse)]


class XaiSettings(Section):
    """The table of a provider whose plugin is `xai`."""

    models: ModelNames | None = None
    """Names of the models that callers may use. None: all that the vendor lists when the service starts."""
    api_key: Key | None = None
    endpoint: _Address = Address("api.x.ai", 443)
    tls: bool = True
    ca_file: Certificates | None = None
    """PEM certificates to trust in place of the system's."""

    upstream: Asked = "auto"
    """How it is asked."""

    first_token_timeout: Timeout = 300.0
    """From the request to the first text. Models that think without showing it take long."""
    idle_timeout: Timeout = 30.0
    """From one piece to the next."""

    @model_validator(mode="after")
    def _is_consistent(self) -> XaiSettings:
        if self.ca_file is not None and not self.tls:
            raise ValueError("ca_file: has no use with tls = false")
        return self

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The gRPC metadata of every call."""
        return (("authorization", f"Bearer {self.api_key.get_secret_value()}"),) if self.api_key is not None else ()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no caller may see, even if the upstream repeats it."""
        return secret_values(self.api_key)
