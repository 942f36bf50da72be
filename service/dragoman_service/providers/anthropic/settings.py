"""The settings of one upstream whose plugin is `anthropic`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, HttpUrl

from dragoman_service.providers.upstream.errors import secret_values
from dragoman_service.providers.upstream.settings import Asked, Key, ModelNames, Timeout, plain_url
from dragoman_service.settings.types import Certificates, Section

_Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class AnthropicSettings(Section):
    """The table of a provider whose plugin is `anthropic`."""

    models: ModelNames | None = None
    """The upstream's names of the models that callers may use. None: all that it lists when the service starts."""
    api_key: Key | None = None
    """A key of the API, sent as `x-api-key`."""
    auth_token: Key | None = None
    """A token, sent as `authorization: Bearer`, for gateways in front of the vendor's API."""
    base_url: Annotated[HttpUrl, plain_url("`api_key` or `auth_token`")] = HttpUrl("https://api.anthropic.com/v1")
    """The address of the API, including its version."""
    version: _Word = "2023-06-01"
    """The header `anthropic-version`. A newer one takes no temperature, `top_p` and `top_k`."""
    betas: tuple[_Word, ...] = ()
    """Features that are not yet for everybody, sent as the header `anthropic-beta`."""
    max_output_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """The most tokens of an answer to a request that does not say. None: the model's limit if the upstream lists it,
    otherwise 32,000."""
    ca_file: Certificates | None = None
    """PEM certificates to trust in place of the system's."""
    connect_timeout: Timeout = 5.0
    """For the name lookup, the connection and the TLS handshake together."""
    first_token_timeout: Timeout = 120.0
    """From the request to the first text. Models that reason first take long."""
    idle_timeout: Timeout = 30.0
    """From one piece of the answer to the next."""
    upstream: Asked = "auto"

    @property
    def sent_headers(self) -> dict[str, str]:
        """The headers of every request."""
        sent = {"anthropic-version": self.version}
        if self.betas:
            sent["anthropic-beta"] = ",".join(self.betas)
        if self.api_key is not None:
            sent["x-api-key"] = self.api_key.get_secret_value()
        if self.auth_token is not None:
            sent["authorization"] = f"Bearer {self.auth_token.get_secret_value()}"
        return sent

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no caller may see, even if the upstream repeats it."""
        return secret_values(self.api_key, self.auth_token)
