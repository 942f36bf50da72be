"""The settings of limits: what callers may use in a time, and what is done when they have used it."""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, model_validator

from dragoman_service.settings.strings import CALLER_ID, ModelName, matches
from dragoman_service.settings.types import Duration, Section, Usd


def _is_zone(zone: str) -> str:
    if zone not in available_timezones():
        raise ValueError("should be the name of a time zone, as in 'UTC' or 'Europe/Berlin'")
    return zone


_Units = Annotated[int, Field(ge=1, le=10**15)]
_Warn = tuple[Annotated[float, Field(gt=0, le=1)], ...]
Scope = Annotated[str, matches(r"\*|[A-Za-z0-9][A-Za-z0-9._@-]{0,62}", f"'*', or {CALLER_ID}")]


class Amounts(Section):
    """How many units in each time: rates of a minute and an hour, budgets of a calendar day and a calendar month.

    `burst`: how many of the minute's units may be used at once. `warn`: parts of a budget that are worth a warning.
    """

    minute: _Units | None = None
    hour: _Units | None = None
    day: _Units | None = None
    month: _Units | None = None
    burst: _Units | None = None
    warn: _Warn = ()

    @model_validator(mode="after")
    def _is_complete(self) -> Amounts:
        if (self.minute or self.hour or self.day or self.month) is None:
            raise ValueError("should have at least one of minute, hour, day, month")
        if self.burst is not None and self.minute is None:
            raise ValueError("has a burst, which needs a minute")
        if self.warn and not (self.day or self.month):
            raise ValueError("has a warn, which needs a day or a month")
        return self


class Budgets(Section):
    """How much money in a calendar day, and in a calendar month. `warn`: parts of it that are worth a warning."""

    day: Usd | None = None
    month: Usd | None = None
    warn: _Warn = ()

    @model_validator(mode="after")
    def _is_complete(self) -> Budgets:
        if self.day is None and self.month is None:
            raise ValueError("should have at least one of day, month")
        return self


class UnitLimits(Section):
    """Limits of some models together."""

    requests: Amounts | None = None
    tokens: Amounts | None = None
    cost: Budgets | None = None


class ScopeLimits(UnitLimits):
    """The limits of a key, a team or the service: over all models, and over those whose names match a pattern."""

    models: dict[ModelName, UnitLimits] = Field(default_factory=dict)
    enforce: bool = True
    """`false`: the limits are counted and logged, and refuse nothing."""


class LimitsSettings(Section):
    """What may be used. In `keys` and `teams`, `*` is for each one that is not named."""

    timezone: Annotated[str, AfterValidator(_is_zone)] = "UTC"
    """Where calendar days and months begin."""
    when_unavailable: Literal["refuse", "allow"] = "refuse"
    """Whether requests of callers with a budget are served while the database cannot be used."""
    on_limit: Literal["stop", "finish"] = "stop"
    """What becomes of an answer in which a limit is reached: it stops there, or goes on to its end."""
    unpriced: Literal["allow", "refuse"] = "allow"
    """What becomes of requests of callers with a limit of cost, for models without a price."""
    headers: Literal["x-ratelimit", "draft", "none"] = "x-ratelimit"
    """How answers tell of limits: by the headers that most vendors send, by those of the IETF's draft, or not."""
    service: ScopeLimits | None = None
    teams: dict[Scope, ScopeLimits] = Field(default_factory=dict)
    keys: dict[Scope, ScopeLimits] = Field(default_factory=dict)

    @property
    def exist(self) -> bool:
        """Whether anything is limited."""
        return bool(self.service or self.teams or self.keys)


class UsageSettings(Section):
    """The ledger of usage. It is kept if there are limits or prices too."""

    record: bool = False
    retention: Annotated[Duration, Field(ge=86_400)] = 90 * 86_400.0
    """How long single attempts are kept. Their sums by hour are kept for ever."""
