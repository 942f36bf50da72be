"""The settings of admission: how many requests may be under way, and how many may wait."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from dragoman_service.settings.strings import ModelTarget
from dragoman_service.settings.types import TABLE, TABLE_OR_VALUE, VALUE, Duration, Section

_Count = Annotated[int, Field(ge=1, le=1_000_000)]


class RangeSettings(Section):
    """A limit that is found by trial, between `min` and `max`."""

    min: _Count
    max: _Count

    @model_validator(mode="after")
    def _is_a_range(self) -> RangeSettings:
        if self.min > self.max:
            raise ValueError("min should not exceed max")
        return self


Concurrency = Annotated[Annotated[RangeSettings, TABLE] | Annotated[_Count, VALUE], TABLE_OR_VALUE]
"""Requests under way at a time: a number, or `{ min = 4, max = 64 }` for a limit that is found by trial."""


class QueueSettings(Section):
    """What may wait for a slot: requests, their estimated tokens (default: any), and for how long."""

    length: Annotated[int, Field(ge=0, le=100_000)] = 100
    """0: requests without a slot are refused at once."""
    tokens: Annotated[int, Field(ge=1)] | None = None
    wait: Duration = 10.0


_EXAMPLES = {
    "concurrency": "`concurrency = 8` or `concurrency = { min = 4, max = 64 }`",
    "queue": '`queue = { length = 100, tokens = 1000000, wait = "10s" }`, beside a `concurrency`',
}


class TargetLimits(Section):
    """The limit of one target or provider."""

    concurrency: Concurrency
    queue: QueueSettings | None = None


class AdmissionSettings(Section):
    """The limit of the whole service, the queue that others have by default, and the limits of single targets."""

    concurrency: _Count | None = None
    exact: bool = False
    """Limits that are numbers hold over all workers and hosts together, by way of the store of operations."""
    queue: QueueSettings = QueueSettings()
    targets: dict[ModelTarget, TargetLimits] = Field(default_factory=dict)


def limits_in(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, TargetLimits]:
    """The limits in the tables of providers, which plugins read the rest of. Raises ValueError for a wrong one."""
    found = {}
    for name, table in tables.items():
        ours = {key: table[key] for key in ("concurrency", "queue") if key in table}
        try:
            if ours:
                found[name] = TargetLimits.model_validate(ours)
        except ValidationError as error:
            key = error.errors()[0]["loc"][0]
            raise ValueError(f"providers.{name}.{key}: should be as in {_EXAMPLES[str(key)]}") from None
    return found
