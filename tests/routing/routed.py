"""Targets, facts and a clock for tests of routing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dragoman import v1
from dragoman_service.catalogue.catalogue import Target
from dragoman_service.routing.health.breaker import BreakerSettings
from dragoman_service.routing.health.health import Health
from dragoman_service.routing.planning.plan import Facts


class Clock:
    """A clock that stands still unless it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def target(name: str, window: int = 0) -> Target:
    provider, _, model = name.partition("/")
    described = v1.Model(name=name, provider=provider, provider_model=model, context_window_tokens=window)
    return Target(described, None)  # type: ignore[arg-type]


def targets(*names: str) -> list[Target]:
    return [target(name) for name in names]


def facts(
    tokens: int = 10, caller: str = "me", refused: Callable[[Target], bool] = lambda _: False, **request: Any
) -> Facts:
    return Facts(
        caller=caller,
        request=v1.CompletionRequest(model="m", **request),
        input_tokens=lambda: tokens,
        lacks=refused,
        allowed=lambda _: True,
        ready=lambda _: True,
    )


def healthy(clock: Clock | None = None, **settings: Any) -> Health:
    return Health(clock or Clock(), BreakerSettings(**settings))


def names(chosen: Any) -> list[str]:
    return [one.model.name for one in chosen]
