"""The settings of one upstream whose plugin is `gemini`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, HttpUrl, model_validator

from dragoman_service.providers.google.credentials import CredentialSettings
from dragoman_service.providers.upstream.errors import secret_values
from dragoman_service.providers.upstream.settings import Asked, Key, ModelNames, Timeout, plain_url
from dragoman_service.settings.types import Certificates

_Part = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9:._-]*$")]
_GLOBAL = "global"


class GeminiSettings(CredentialSettings):
    """The table of a provider whose plugin is `gemini`. With `project` it calls Vertex AI, else the Gemini API."""

    models: ModelNames
    """The vendor's names of the models that callers may use, as `gemini-2.5-flash`."""
    api_key: Key | None = None
    """A key of the Gemini API."""
    project: _Part | None = None
    """The id of a Google Cloud project."""
    location: _Part = _GLOBAL
    """The location that Vertex AI serves the models at."""
    base_url: Annotated[HttpUrl, plain_url("`api_key`")] | None = None
    """The address of the API, including its version: `https://api.example.com/v1beta`. None: the vendor's."""
    ca_file: Certificates | None = None
    """PEM certificates to trust in place of the system's."""
    connect_timeout: Timeout = 5.0
    """For the name lookup, the connection and the TLS handshake together."""
    first_token_timeout: Timeout = 120.0
    """From the request to the first text. Models that reason first take long."""
    idle_timeout: Timeout = 30.0
    """From one piece of the answer to the next."""
    upstream: Asked = "auto"

    @model_validator(mode="after")
    def _is_consistent(self) -> GeminiSettings:
        if self.project is not None and self.api_key is not None:
            raise ValueError("api_key: is for the Gemini API; with project, set one of the credentials of Google Cloud")
        if self.project is None and self.token is not None:
            raise ValueError("project: is required with credentials of Google Cloud; the Gemini API takes an api_key")
        if self.project is None and self.location != _GLOBAL:
            raise ValueError("location: has no use without project")
        return self

    @property
    def address(self) -> str:
        """The base URL: that of the settings, or the vendor's."""
        if self.base_url is not None:
            return str(self.base_url)
        if self.project is None:
            return "https://generativelanguage.googleapis.com/v1beta"
        region = "" if self.location == _GLOBAL else f"{self.location}-"
        return f"https://{region}aiplatform.googleapis.com/v1"

    @property
    def key_header(self) -> dict[str, str]:
        """The header of every request with the key."""
        return {} if self.api_key is None else {"x-goog-api-key": self.api_key.get_secret_value()}

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no caller may see, even if the upstream repeats it."""
        return secret_values(self.api_key)
