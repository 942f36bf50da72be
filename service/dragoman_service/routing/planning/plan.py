"""The plan of a call: the targets to ask, in this order, and why the others are left out. Pure."""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import groupby

from dragoman import v1

from dragoman_service.catalogue.aliases import matches
from dragoman_service.catalogue.catalogue import Target
from dragoman_service.routing.health.health import Health
from dragoman_service.routing.planning.entry import PLAIN, Entry, Rule
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
    input_tokens: Callable[[Target], int]
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
    fit, skipped = _fit(targets, entry, facts)
    now = health.now()
    open_ones = [target for target in fit if not health.of(target.model.name).admits(now)]
    if open_ones:
        shut = {id(target) for target in open_ones}
        if len(open_ones) < len(fit):
            fit = [target for target in fit if id(target) not in shut]
        else:
            fit = _probed(open_ones, health, now)
        kept = {id(target) for target in fit}
        skipped += [(target, Verdict.BREAKER) for target in open_ones if id(target) not in kept]
    return Plan(_ordered(fit, entry, facts.request.routing.session, health, random), skipped)


def _fit(targets: Sequence[Target], entry: Entry, facts: Facts) -> tuple[list[Target], list[tuple[Target, Verdict]]]:
    fit: list[Target] = []
    skipped: list[tuple[Target, Verdict]] = []
    only = facts.request.routing.only
    for target in targets:
        verdict = _judge(target, entry.rules.get(target.model.name, PLAIN), only, facts)
        if verdict is Verdict.CHOSEN:
            fit.append(target)
        else:
            skipped.append((target, verdict))
    return fit, skipped


def _judge(target: Target, rule: Rule, only: Sequence[str], facts: Facts) -> Verdict:
    """The verdict on a target, whatever its health."""
    when = rule.when
    if when is not None:
        tokens = 0 if when.input_tokens_under is None else facts.input_tokens(target)
        if not when.holds(facts.caller, facts.request.labels, tokens):
            return Verdict.CONDITION
    if only and not any(matches(pattern, target.model.name) for pattern in only):
        return Verdict.ONLY
    if not facts.allowed(target):
        return Verdict.NOT_ALLOWED
    if facts.lacks(target):
        return Verdict.FIELDS
    window = target.model.context_window_tokens
    if window and facts.input_tokens(target) * _SURELY > window:
        return Verdict.CONTEXT_LENGTH
    return Verdict.CHOSEN if facts.ready(target) else Verdict.UNAVAILABLE


def _probed(targets: Sequence[Target], health: Health, now: float) -> list[Target]:
    """The target whose breaker opens first, if its last probe is long enough ago."""
    soonest = min(targets, key=lambda target: health.of(target.model.name).opens_in(now))
    return [] if health.of(soonest.model.name).probes_in(now) > 0 else [soonest]


def _ordered(
    targets: list[Target], entry: Entry, session: str, health: Health, random: Callable[[], float]
) -> Sequence[Target]:
    if len(targets) < 2:
        return targets
    rules = [(entry.rules.get(target.model.name, PLAIN), target) for target in targets]
    rules.sort(key=lambda one: one[0].priority)  # stable: equal ones stay as they are listed
    ordered: list[Target] = []
    for _, tier in groupby(rules, key=lambda one: one[0].priority):
        ordered += _tier(list(tier), entry, session, health, random)
    return ordered


def _tier(
    tier: list[tuple[Rule, Target]], entry: Entry, session: str, health: Health, random: Callable[[], float]
) -> list[Target]:
    if len(tier) > 1:
        if session:
            tier.sort(key=lambda one: preference(session, one[1].model.name, one[0].weight), reverse=True)
        elif entry.choose != "first":
            # The order that drawing by weight without replacement gives (Efraimidis and Spirakis, 2006).
            tier.sort(key=lambda one: random() ** (1.0 / one[0].weight), reverse=True)
            if entry.choose != "weighted" and _is_better(tier, entry.choose, health):
                tier[0], tier[1] = tier[1], tier[0]
    return [target for _, target in tier]


def _is_better(tier: Sequence[tuple[Rule, Target]], choose: str, health: Health) -> bool:
    """Whether the second of the two that were drawn goes before the first."""
    first, second = (health.of(target.model.name) for _, target in tier[:2])
    if choose == "least_busy":
        return second.in_flight < first.in_flight
    now = health.now()
    known = [health.of(target.model.name).latency.current(now) for _, target in tier]
    best = min((seconds for seconds in known if seconds is not None), default=1.0)
    times = [best if seconds is None else seconds for seconds in known[:2]]
    return (second.in_flight + 1) * times[1] < (first.in_flight + 1) * times[0]
