"""The settings of routing: what a name stands for, and how its targets are asked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from dragoman_service.settings.admission import QueueSettings
from dragoman_service.settings.strings import CallerPattern, ModelTarget, Name
from dragoman_service.settings.types import TABLE, TABLE_OR_VALUE, VALUE, Duration, Section

Failure = Literal["busy", "weak", "account", "too_long"]
_EVERY: tuple[Failure, ...] = ("busy", "weak", "account", "too_long")
Positive = Annotated[Duration, Field(gt=0)]
Attempts = Annotated[int, Field(ge=1, le=10)]


class ConditionSettings(Section):
    """When a target may be asked: everything that is given must agree."""

    input_tokens_under: Annotated[int, Field(ge=1)] | None = None
    callers: tuple[CallerPattern, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)


class TargetSettings(Section):
    """One target of a name. Tiers of a lower `priority` are asked first; `weight` counts within a tier."""

    model: ModelTarget
    weight: Annotated[float, Field(gt=0, le=1_000_000)] = 1.0
    priority: Annotated[int, Field(ge=0, le=100)] = 0
    when: ConditionSettings | None = None


def _table(value: object) -> Any:
    return {"model": value} if isinstance(value, str) else value


class FallbackSettings(Section):
    """The classes of failures after which another attempt may follow."""

    on: tuple[Failure, ...] = _EVERY


class HedgeSettings(Section):
    """A second target is asked if the first has not begun to answer after `after`, for at most a share of `extra` of
    the requests. `p95`: the time in which 95 % of its answers have begun."""

    after: Literal["p95"] | Positive
    extra: Annotated[float, Field(gt=0, le=1)] = 0.05


class BreakerSettings(Section):
    """When a target is not asked any more, and for how long: see docs/routing.md."""

    failures: Annotated[int, Field(ge=1, le=1000)] = 5
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    of: Annotated[int, Field(ge=1, le=100_000)] = 20
    window: Positive = 30.0
    open: Positive = 10.0
    longest_open: Positive = 120.0


class RoutingSettings(Section):
    """How often and how long targets are asked. `max_attempts` and `longest_wait` may stand in a model too."""

    max_attempts: Attempts = 3
    retry_budget: Annotated[float, Field(ge=0, le=1)] = 0.1
    longest_wait: Duration = 10.0
    breaker: Annotated[Annotated[BreakerSettings, TABLE] | Annotated[Literal[False], VALUE], TABLE_OR_VALUE] = (
        BreakerSettings()
    )
    """`false`: targets are asked whatever became of earlier attempts."""


class ModelSettings(Section):
    """What a name or a pattern stands for: full names of models, and how they are asked.

    `filters` names the filters that completions asked for under this name pass, from the outside in.
    """

    targets: Annotated[
        tuple[Annotated[TargetSettings, BeforeValidator(_table)], ...], Field(min_length=1, max_length=64)
    ]
    filters: tuple[Name, ...] = ()
    choose: Literal["first", "weighted", "least_busy", "fastest"] = "first"
    first_token: Positive | None = None
    fallback: FallbackSettings = FallbackSettings()
    hedge: HedgeSettings | None = None
    max_attempts: Attempts | None = None
    longest_wait: Duration | None = None
    rerun_broken: bool = False
    concurrency: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Requests for this name that may be under way at a time."""
    queue: QueueSettings | None = None

    @field_validator("targets")
    @classmethod
    def _are_different(cls, targets: tuple[TargetSettings, ...]) -> tuple[TargetSettings, ...]:
        names = [target.model for target in targets]
        if twice := next((name for number, name in enumerate(names) if name in names[:number]), None):
            raise ValueError(f"names {twice!r} twice")
        return targets

    @property
    def names(self) -> tuple[str, ...]:
        """The full names of the targets."""
        return tuple(target.model for target in self.targets)
