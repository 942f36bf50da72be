"""Turns the settings of routing into the routes of the engine."""

from __future__ import annotations

import time

from dragoman_service.engine.engine import Routing
from dragoman_service.routing.attempts.traces import Tracer
from dragoman_service.routing.failures import Failure
from dragoman_service.routing.health.breaker import BreakerSettings
from dragoman_service.routing.health.health import Health
from dragoman_service.routing.planning.entry import Condition, Entry, Rule
from dragoman_service.routing.policy import Hedge, Policy
from dragoman_service.routing.router import Routes
from dragoman_service.settings.routing import ConditionSettings, ModelSettings, RoutingSettings
from dragoman_service.settings.settings import Settings
from dragoman_service.telemetry.metrics import Metrics
from dragoman_service.telemetry.routes import RouteMeter


def routing_of(settings: Settings, metrics: Metrics, tracer: Tracer | None = None) -> Routing:
    """How the service routes requests. `tracer` traces the attempts."""
    routing = settings.routing
    breaker = BreakerSettings(**routing.breaker.model_dump()) if routing.breaker else BreakerSettings(enabled=False)
    health = Health(time.monotonic, breaker, routing.retry_budget, routing.longest_wait)
    routes = Routes(
        entries={name: _entry(model) for name, model in settings.models.items()},
        policies={name: _policy(model, routing) for name, model in settings.models.items()},
        default=Policy(routing.max_attempts, routing.longest_wait),
    )
    return Routing(routes, health, RouteMeter(metrics), tracer)


def _entry(model: ModelSettings) -> Entry:
    rules = {
        target.model: Rule(target.weight, target.priority, _condition(target.when) if target.when else None)
        for target in model.targets
    }
    return Entry(model.choose, rules)


def _condition(when: ConditionSettings) -> Condition:
    return Condition(when.input_tokens_under, when.callers, when.labels)


def _policy(model: ModelSettings, routing: RoutingSettings) -> Policy:
    hedge = model.hedge
    return Policy(
        max_attempts=model.max_attempts or routing.max_attempts,
        longest_wait=routing.longest_wait if model.longest_wait is None else model.longest_wait,
        first_token=model.first_token,
        on=frozenset(map(Failure, model.fallback.on)),
        hedge=Hedge(None if hedge.after == "p95" else hedge.after, hedge.extra) if hedge else None,
        rerun_broken=model.rerun_broken,
    )
