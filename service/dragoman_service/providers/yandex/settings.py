"""The settings of one upstream."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from dragoman_service.providers.upstream.errors import secret_values
from dragoman_service.providers.upstream.settings import Asked, Key, ModelNames, Timeout
from dragoman_service.settings.types import Address, Certificates, Section

_Address = Annotated[Address, BeforeValidator(Address.parse)]


class YandexSettings(Section):
    """The table of a provider whose plugin is `yandex`."""

    folder_id: Annotated[str, Field(min_length=1)]
    models: ModelNames
    """Names of the folder's models that callers may use, as `yandexgpt/latest`; or complete URIs."""
    api_key: Key | None = None
    iam_token: Key | None = None
    endpoint: _Address = Address("llm.api.cloud.yandex.net", 443)
    operations_endpoint: _Address | None = None
    """Where operations are read and cancelled. None: the vendor's own, or `endpoint` if that is not the vendor's."""
    tls: bool = True
    ca_file: Certificates | None = None
    """PEM certificates to trust in place of the system's."""
    asynchronous: bool = False
    """Requests are the vendor's operations: cheaper, slower, and never streamed."""
    upstream: Asked = "auto"
    """How it is asked, unless requests are operations, whose answers are always whole."""
    attempts: Annotated[int, Field(ge=1, le=10)] = 5
    """How many times a call is tried if the service cannot be reached or limits the rate."""

    first_token_timeout: Timeout = 120.0
    """From the request to the first text of a streamed answer."""
    idle_timeout: Timeout = 30.0
    """From one piece to the next."""

    @model_validator(mode="after")
    def _is_consistent(self) -> YandexSettings:
        if self.api_key is not None and self.iam_token is not None:
            raise ValueError("iam_token: set this or api_key, not both")
        if self.ca_file is not None and not self.tls:
            raise ValueError("ca_file: has no use with tls = false")
        return self

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The gRPC metadata of every call."""
        folder = (("x-folder-id", self.folder_id),)
        if self.api_key is not None:
            return (("authorization", f"Api-Key {self.api_key.get_secret_value()}"), *folder)
        if self.iam_token is not None:
            return (("authorization", f"Bearer {self.iam_token.get_secret_value()}"), *folder)
        return folder

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no caller may see, even if the upstream repeats it."""
        return secret_values(self.api_key, self.iam_token)

    @property
    def operations_address(self) -> Address:
        """Where operations are read and cancelled."""
        if self.operations_endpoint is not None:
            return self.operations_endpoint
        own = self.endpoint == type(self).model_fields["endpoint"].default
        return Address("operation.api.cloud.yandex.net", 443) if own else self.endpoint
