"""The settings of access: API keys, and what they may do."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from dragoman_service.settings.strings import CallerId, ModelName, Sha256
from dragoman_service.settings.types import Section

Scope = Literal["usage.read", "admin.read"]
"""What a key may do beside its own completions: read the usage of all callers, see routes and queues."""


class KeySettings(Section):
    """An API key: its caller, its SHA-256, and patterns of the models that it may use, at least one (default: all)."""

    id: CallerId
    sha256: Sha256
    models: tuple[ModelName, ...] | None = None
    team: CallerId | None = None
    """The team whose limits and usage the key shares."""
    scopes: tuple[Scope, ...] = ()
    concurrency: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Requests of the key that may be under way at a time, those that wait included."""
    weight: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """Its share of the slots while keys wait: twice the weight, twice the tokens."""
    longest_priority: Annotated[int, Field(ge=-100, le=100)] = 0
    """The highest priority that its requests have, whatever they ask for."""

    @field_validator("models")
    @classmethod
    def _is_not_empty(cls, models: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if models == ():
            raise ValueError("should have at least one pattern. To allow all models, remove it; to allow none, the key")
        return models


class AccessSettings(Section):
    """Who may call. `anonymous` accepts calls without a key too, on any address; `open_metrics` opens /metrics."""

    anonymous: bool = False
    anonymous_listing: bool = False
    """Callers without a key may list operations: those of all of them."""
    open_metrics: bool = False
    keys: tuple[KeySettings, ...] = ()
