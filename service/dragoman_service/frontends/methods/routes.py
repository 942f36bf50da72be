"""Explains where a request would be sent."""

from __future__ import annotations

from collections.abc import Mapping

from dragoman import v1

from dragoman_service.catalogue.catalogue import Target
from dragoman_service.catalogue.estimates import input_tokens
from dragoman_service.contract import FieldViolation, invalid
from dragoman_service.engine.engine import Engine
from dragoman_service.routing.planning.plan import Verdict
from dragoman_service.validation.rpcs import check_model_name

_STATES = (v1.RouteTarget.STATE_CLOSED, v1.RouteTarget.STATE_HALF_OPEN, v1.RouteTarget.STATE_OPEN)
_WORDS: Mapping[Verdict, str] = {
    Verdict.CHOSEN: "It is asked at this place in the order.",
    Verdict.CONDITION: "Its condition `when` in the settings excludes the request.",
    Verdict.ONLY: "The request names others in routing.only.",
    Verdict.NOT_ALLOWED: "The API key does not allow it.",
    Verdict.FIELDS: "It does not support all fields of the request.",
    Verdict.CONTEXT_LENGTH: "The prompt is longer than its context window.",
    Verdict.UNAVAILABLE: "Its provider accepts no requests for it now.",
    Verdict.BREAKER: "It has failed too often of late.",
}


def explain(engine: Engine, asked: v1.ExplainRouteRequest, caller: str) -> v1.ExplainRouteResponse:
    """The targets with their verdicts. Raises INVALID_FIELD and the errors of `Engine.resolve`."""
    if asked.HasField("input_tokens") and asked.input_tokens < 0:
        raise invalid(FieldViolation("input_tokens", "should not be negative"))
    check_model_name(asked.request.model)
    target = engine.resolve(asked.request.model, caller)
    targets = engine.catalogue.route(target)
    tokens = asked.input_tokens if asked.HasField("input_tokens") else None
    planned = engine.router.explain(asked.request, caller, targets, tokens)
    judged = [(one, Verdict.CHOSEN) for one in planned.chosen] + list(planned.skipped)
    return v1.ExplainRouteResponse(
        targets=[_target(engine, one, verdict) for one, verdict in judged],
        entry=target.alias.name if target.alias else "",
        input_tokens=input_tokens(asked.request) if tokens is None else tokens,
    )


def _target(engine: Engine, target: Target, verdict: Verdict) -> v1.RouteTarget:
    health = engine.router.parts.health
    known, now = health.of(target.model.name), health.now()
    rule = engine.router.rule_of(target)
    told = v1.RouteTarget(
        model=target.model.name,
        verdict=verdict.value,
        explanation=_WORDS[verdict],
        priority=rule.priority,
        weight=rule.weight,
        state=_STATES[known.state(now)],
        in_flight=known.in_flight,
    )
    if (opens_in := known.opens_in(now)) > 0:
        told.open_for.FromMilliseconds(round(opens_in * 1000))
    if (seconds := known.latency.current(now)) is not None:
        told.first_token.FromMicroseconds(round(seconds * 1e6))
    return told
