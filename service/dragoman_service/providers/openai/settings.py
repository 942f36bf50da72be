"""The settings of one upstream."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from pydantic import Field, HttpUrl, SecretStr, ValidationInfo, field_validator

from dragoman_service.providers.openai.vendors import vendor_of
from dragoman_service.providers.upstream.errors import secret_values
from dragoman_service.settings.types import Certificates, Duration, Secret, Section

_Name = Annotated[str, Field(min_length=1)]
_Header = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
_FRAMING = frozenset({"connection", "content-encoding", "content-length", "content-type", "transfer-encoding"})
_Timeout = Annotated[Duration, Field(gt=0)]


class OpenAISettings(Section):
    """The table of a provider whose plugin is `openai`."""

    vendor: str | None = None
    """A row of `VENDORS`. None: any upstream, at `base_url`."""
    base_url: HttpUrl | None = Field(default=None, validate_default=True)
    """The address of the API, including its version: `https://api.example.com/v1`. None: the vendor's."""
    models: Annotated[tuple[_Name, ...], Field(min_length=1)] | None = Field(default=None, validate_default=True)
    """The upstream's names of the models that callers may use. None: all that it lists when the service starts."""
    api_key: Secret | None = None
    api_version: Annotated[str, Field(pattern=r"^[\w.-]+$")] | None = None
    """The version of the API in the query, for vendors whose paths name a deployment. None: there is no query."""
    headers: dict[_Header, SecretStr] = Field(default_factory=dict)
    """Headers of every request, in addition to that of the key."""
    ca_file: Certificates | None = None
    """PEM certificates to trust in place of the system's."""
    connect_timeout: _Timeout = 5.0
    """For the name lookup, the connection and the TLS handshake together."""
    first_token_timeout: _Timeout = 120.0
    """From the request to the first text. Models that reason first take long."""
    idle_timeout: _Timeout = 30.0
    """From one piece of the answer to the next."""

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
        elif value.username or value.password:
            raise ValueError("must not hold a user or a password: set `api_key` or `headers`")
        elif value.query is not None or value.fragment is not None:
            raise ValueError("must end with its path: a query or a fragment would not be sent")
        return value

    @field_validator("models")
    @classmethod
    def _listed(cls, value: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        if value is None and "vendor" in info.data and not vendor_of(info.data["vendor"]).models_path:
            raise ValueError("is required, because this vendor does not list its models")
        if value is not None and len(set(value)) < len(value):
            raise ValueError("names a model twice")
        return value

    @field_validator("api_key")
    @classmethod
    def _sendable(cls, value: SecretStr | None) -> SecretStr | None:
        key = "" if value is None else value.get_secret_value()
        if value is not None and not (key and key.isascii() and key.isprintable()):
            raise ValueError("must be one line of printable ASCII characters, and not empty")
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
