"""Types for the settings of an upstream, whose mistakes are found when the settings are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, HttpUrl, SecretStr

from dragoman_service.settings.types import Duration, Secret


def is_sendable(key: str) -> bool:
    """Whether it can be sent in a header."""
    return bool(key) and key.isascii() and key.isprintable()


def check_distinct(names: Sequence[str]) -> None:
    """Raises ValueError if a model is named twice."""
    if len(set(names)) < len(names):
        raise ValueError("names a model twice")


def plain_url(instead: str) -> AfterValidator:
    """Checks the address of an API, which holds no credentials. `instead` names the settings that hold them."""

    def check(value: HttpUrl) -> HttpUrl:
        if value.username or value.password:
            raise ValueError(f"must not hold a user or a password: set {instead}")
        if value.query is not None or value.fragment is not None:
            raise ValueError("must end with its path: a query or a fragment would not be sent")
        return value

    return AfterValidator(check)


def _sendable(value: SecretStr) -> SecretStr:
    if not is_sendable(value.get_secret_value()):
        raise ValueError("must be one line of printable ASCII characters, and not empty")
    return value


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    check_distinct(names)
    return names


Key = Annotated[Secret, AfterValidator(_sendable)]
"""A secret that is sent in a header."""

Asked = Literal["auto", "stream", "whole"]
"""How an upstream is asked for an answer of which the caller sees nothing before its end. `auto`: for a whole one if it
is short enough, because nothing shows that a whole answer is under way."""

Timeout = Annotated[Duration, Field(gt=0)]
"""A time limit in seconds, written as a `Duration`."""

ModelName = Annotated[str, Field(min_length=1)]
"""An upstream's name of a model."""

ModelNames = Annotated[tuple[ModelName, ...], Field(min_length=1), AfterValidator(_distinct)]
"""The upstream's names of the models that callers may use, each once."""
