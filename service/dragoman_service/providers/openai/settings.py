"""The settings of one upstream."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from pydantic import Field, HttpUrl, SecretStr, ValidationInfo, field_validator

from dragoman_service.providers.openai.vendors import vendor_of
from dragoman_service.providers.upstream.errors import secret_values
from dragoman_service.providers.upstream.settings import Asked, Key, ModelNames, Timeout, plain_url
from dragoman_service.settings.types import Certificates, Section

_Header = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
_FRAMING = frozenset({"connection", "content-encoding", "content-length", "content-type", "transfer-encoding"})


class OpenAISettings(Section):
    """The table of a provider whose plugin is `openai`."""

    vendor: str | None = None
    """A row of `VENDORS`. None: any upstream, at `base_url`."""
    base_url: Annotated[HttpUrl, plain_url("`api_key` or `headers`")] | None = Field(
        default=None, validate_default=True
    )
    """The address of the API, including its version: `https://api.example.com/v1`. None: the vendor's."""
    models: ModelNames | None = Field(default=None, validate_default=True)
    """The upstream's names of the models that callers may use. None: all that it lists when the service starts."""
    api_key: Key | None = None
    api_version: Annotated[str, Field(pattern=r"^[\w.-]+$")] | None = None
    """The version of the API in the query, for vendors whose paths name a deployment. None: there is no query."""
    headers: dict[_Header, SecretStr] = Field(default_factory=dict)
    """Headers of every request, in addition to that of the key."""
    ca_file: Certificates | None = None
    """PEM certificates to trust in place of the system's."""
    connect_timeout: Timeout = 5.0
    """For the name lookup, the connection and the TLS handshake together."""
    first_token_timeout: Timeout = 120.0
    """From the request to the first text. Models that reason first take long."""
    idle_timeout: Timeout = 30.0
    """From one piece of the answer to the next."""
    upstream: Asked = "auto"

    @field_validator("vendor")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        vendor_of(value)
        return value

    @field_validator("base_url")
    @classmethod
    def _somewhere(cls, value: HttpUrl | None, info: ValidationInfo) -> HttpUrl | None:
        if value is None:
            vendor = vendor_of(info.data["vendor"]) if "vendor" in info.data else None
            if vendor is not None and not vendor.is_one_address:
                form = f": {vendor.base_url} with your own name" if vendor.base_url else " without a vendor"
                raise ValueError(f"is required{form}")
        return value

    @field_validator("models")
    @classmethod
    def _listed(cls, value: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        if value is None and "vendor" in info.data and not vendor_of(info.data["vendor"]).models_path:
            raise ValueError("is required, because this vendor does not list its models")
        return value

    @field_validator("api_version")
    @classmethod
    def _versioned(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and "vendor" in info.data and not vendor_of(info.data["vendor"]).deployments:
            raise ValueError("is only for vendors whose paths name a deployment")
        return value

    @field_validator("headers")
    @classmethod
    def _plain(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, header in value.items():
            if name.lower() in _FRAMING:
                raise ValueError(f"{name.lower()} cannot be set, because it describes how each request is sent")
            if not header.get_secret_value().isprintable():
                raise ValueError("each value must be one line of printable characters")
        return value

    @property
    def address(self) -> str:
        """The base URL: that of the settings, or the vendor's."""
        return vendor_of(self.vendor).base_url if self.base_url is None else str(self.base_url)

    def path(self, model: str, endpoint: str) -> str:
        """The path to that endpoint for that model, below the address."""
        if self.api_version is None:
            return endpoint
        return f"/deployments/{quote(model, safe='')}{endpoint}?api-version={self.api_version}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no caller may see, even if the upstream repeats it."""
        return secret_values(self.api_key, *self.headers.values())

    @property
    def sent_headers(self) -> dict[str, str]:
        """The headers of every request: that of the key, as the vendor expects it, and those of the settings."""
        vendor = vendor_of(self.vendor)
        sent = {name.lower(): value.get_secret_value() for name, value in self.headers.items()}
        if self.api_key is not None:
            sent[vendor.key_header] = vendor.key_prefix + self.api_key.get_secret_value()
        return sent
