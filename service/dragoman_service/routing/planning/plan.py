"""The plan of a call: the targets to ask, in this order, and why the others are left out. Pure."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from dragoman import v1

from dragoman_service.catalogue.aliases import matches
from dragoman_service.catalogue.catalogue import Target
from dragoman_service.routing.health.health import Health, TargetHealth
from dragoman_service.routing.planning.entry import Choose, Entry, Rule
from dragoman_service.routing.planning.session import preference

_SURELY = 0.75  # of an estimate, which is on the high side: a prompt has at least so many tokens


class Verdict(enum.Enum):
    """What the plan says of a target."""

    CHOSEN = "chosen"
    CONDITION = "condition"
    """Its `when` does not hold for the request."""
    ONLY = "only"
    """The caller's `routing.only` does not name it."""
    NOT_ALLOWED = "not_allowed"
    """The caller's key does not allow it."""
    FIELDS = "fields"
    """It lacks fields that the request uses."""
    CONTEXT_LENGTH = "context_length"
    """The prompt is longer than its context window."""
    UNAVAILABLE = "unavailable"
    """Its provider says that it takes no requests now."""
    BREAKER = "breaker"
    """It failed too often of late."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a plan depends on, beside the settings and the health of the targets."""

    caller: str
    request: v1.CompletionRequest
    input_tokens: Callable[[], int]
    """The estimate of the prompt's tokens. It is asked for only if something depends on it."""
    lacks: Callable[[Target], bool]
    """Whether the request uses fields that the target does not support and that must not be left out."""
    allowed: Callable[[Target], bool]
    """Whether the caller's key allows the target."""
    ready: Callable[[Target], bool]
    """Whether the target's provider takes requests for it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The targets in the order in which they are asked, and the verdict on each target that is left out."""

    chosen: Sequence[Target]
    skipped: Sequence[tuple[Target, Verdict]]

    @property
    def reasons(self) -> Collection[Verdict]:
        """Why targets were left out."""
        return {verdict for _, verdict in self.skipped}


def plan(targets: Sequence[Target], entry: Entry, facts: Facts, health: Health, random: Callable[[], float]) -> Plan:
    """Plans one call. `random` returns numbers from 0 to 1.

    If breakers shut out every target that is left, the one that opens first is chosen, at most once in a second.
    """
    fit, skipped = _fit(targets, entry, facts, health)
    now = health.now()
    shut = [one for one in fit if not one.health.admits(now)]
    if shut:
        fit = [one for one in fit if one not in shut] if len(shut) < len(fit) else _probed(shut, now)
        skipped += [(one.target, Verdict.BREAKER) for one in shut if one not in fit]
    return Plan(_ordered(fit, entry.choose, facts.request.routing.session, now, random), skipped)


class _Candidate(NamedTuple):
    """A target, and what decides about it. Its name is read once, because fields of messages are slow."""

    rule: Rule
    name: str
    target: Target
    health: TargetHealth


def _fit(
    targets: Sequence[Target], entry: Entry, facts: Facts, health: Health
) -> tuple[list[_Candidate], list[tuple[Target, Verdict]]]:
    fit: list[_Candidate] = []
    skipped: list[tuple[Target, Verdict]] = []
    only = facts.request.routing.only
    for target in targets:
        name = target.model.name
        rule = entry.rule(name)
        verdict = _judge(target, name, rule, only, facts)
        if verdict is Verdict.CHOSEN:
            fit.append(_Candidate(rule, name, target, health.of(name)))
        else:
            skipped.append((target, verdict))
    return fit, skipped


def _judge(target: Target, name: str, rule: Rule, only: Sequence[str], facts: Facts) -> Verdict:
    """The verdict on a target, whatever its health."""
    when = rule.when
    if when is not None:
        tokens = 0 if when.input_tokens_under is None else facts.input_tokens()
        if not when.holds(facts.caller, facts.request.labels, tokens):
            return Verdict.CONDITION
    if only and not any(matches(pattern, name) for pattern in only):
        return Verdict.ONLY
    if not facts.allowed(target):
        return Verdict.NOT_ALLOWED
    if facts.lacks(target):
        return Verdict.FIELDS
    window = target.model.context_window_tokens
    if window and facts.input_tokens() * _SURELY > window:
        return Verdict.CONTEXT_LENGTH
    return Verdict.CHOSEN if facts.ready(target) else Verdict.UNAVAILABLE


def _probed(shut: Sequence[_Candidate], now: float) -> list[_Candidate]:
    """The target whose breaker opens first, if its last probe is long enough ago."""
    soonest = min(shut, key=lambda one: one.health.opens_in(now))
    return [] if soonest.health.probes_in(now) > 0 else [soonest]


def _ordered(
    fit: list[_Candidate], choose: Choose, session: str, now: float, random: Callable[[], float]
) -> Sequence[Target]:
    if len(fit) > 1 and (session or choose != "first" or any(one.rule.priority for one in fit)):
        fit.sort(key=lambda one: one.rule.priority)  # stable: equal ones stay as they are listed
        tiers = [list(tier) for _, tier in groupby(fit, key=lambda one: one.rule.priority)]
        fit = [one for tier in tiers for one in _tier(tier, choose, session, now, random)]
    return [one.target for one in fit]


def _tier(
    tier: list[_Candidate], choose: Choose, session: str, now: float, random: Callable[[], float]
) -> list[_Candidate]:
    if session:
        tier.sort(key=lambda one: preference(session, one.name, one.rule.weight), reverse=True)
    elif choose != "first" and len(tier) > 1:
        # The order that drawing by weight without replacement gives (Efraimidis and Spirakis, 2006).
        tier.sort(key=lambda one: math.log(1.0 - random()) / one.rule.weight, reverse=True)
        if choose != "weighted" and _is_better(tier, choose, now):
            tier[0], tier[1] = tier[1], tier[0]
    return tier


def _is_better(tier: Sequence[_Candidate], choose: Choose, now: float) -> bool:
    """Whether the second of the two that were drawn goes before the first."""
    first, second = tier[0].health, tier[1].health
    if choose == "least_busy":
        return second.in_flight < first.in_flight
    known = [one.health.latency.current(now) for one in tier]
    best = min((seconds for seconds in known if seconds is not None), default=1.0)
    times = [best if seconds is None else seconds for seconds in known[:2]]
    return (second.in_flight + 1) * times[1] < (first.in_flight + 1) * times[0]
