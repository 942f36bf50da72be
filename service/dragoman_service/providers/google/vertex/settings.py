"""The settings of one upstream whose plugin is `vertex`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, Field, HttpUrl, model_validator

from dragoman_service.dialects.google.predict.families import Family, family_of
from dragoman_service.providers.google.credentials import CredentialSettings
from dragoman_service.providers.upstream.settings import ModelName, Timeout, check_distinct, plain_url
from dragoman_service.settings.types import Certificates

_Part = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9:._-]*$")]


def _families(models: object) -> object:
    """The table of a list of names, each of the family that it tells."""
    if not isinstance(models, list | tuple):
        return models
    if not all(isinstance(name, str) for name in models):
        raise ValueError("should be names of models, or a table with the family of each")
    check_distinct(models)
    return {name: family_of(name) for name in models}


class VertexSettings(CredentialSettings):
    """The table of a provider whose plugin is `vertex`."""

    project: _Part
    """The id of a Google Cloud project."""
    location: _Part = "us-central1"
    """The location that serves the models."""
    models: Annotated[Mapping[ModelName, Family], BeforeValidator(_families), Field(min_length=1)]
    """The vendor's names of the models that callers may use, as a list, or as a table with the family of each."""
    base_url: Annotated[HttpUrl, plain_url("`access_token`")] | None = None
    """The address of the API, including its version: `https://api.example.com/v1`. None: the vendor's."""
    ca_file: Certificates | None = None
    """PEM certificates to trust in place of the system's."""
    connect_timeout: Timeout = 5.0
    """For the name lookup, the connection and the TLS handshake together."""
    first_token_timeout: Timeout = 120.0
    """From the request to the first text."""
    idle_timeout: Timeout = 30.0
    """From one piece of the answer to the next."""

    @model_validator(mode="after")
    def _has_credentials(self) -> VertexSettings:
        if self.base_url is None and self.token is None:
            raise ValueError("service_account: set this, access_token or access_token_file: the vendor requires one")
        return self

    @property
    def address(self) -> str:
        """The base URL: that of the settings, or the vendor's."""
        return f"https://{self.location}-aiplatform.googleapis.com/v1" if self.base_url is None else str(self.base_url)
