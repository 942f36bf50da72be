"""Sends each request to the targets of its name: by a plan, and in as many attempts as it takes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from dragoman import v1

from dragoman_service.catalogue.catalogue import Target
from dragoman_service.catalogue.estimates import input_tokens
from dragoman_service.catalogue.fields import refusal_of
from dragoman_service.contract import Call
from dragoman_service.routing.attempts.loop import Attempts
from dragoman_service.routing.attempts.parts import Parts
from dragoman_service.routing.planning.entry import Entry, Rule
from dragoman_service.routing.planning.plan import Facts, Plan, plan
from dragoman_service.routing.planning.refusals import last_resort, no_target
from dragoman_service.routing.planning.session import shown
from dragoman_service.routing.policy import Policy

_PLAIN = Entry()


@dataclass(frozen=True, slots=True)
class Routes:
    """What the settings say of routing, by the names and patterns in the settings. `default` is for all others."""

    entries: Mapping[str, Entry] = field(default_factory=dict)
    policies: Mapping[str, Policy] = field(default_factory=dict)
    default: Policy = field(default_factory=Policy)

    def entry(self, target: Target) -> Entry:
        """The entry of the name that led to a target."""
        return self.entries.get(target.alias.name, _PLAIN) if target.alias else _PLAIN

    def policy(self, target: Target) -> Policy:
        """The policy of the name that led to a target."""
        return self.policies.get(target.alias.name, self.default) if target.alias else self.default


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What the router asks of others about a target."""

    ready: Callable[[Target], bool]
    """Whether its provider takes requests for it now."""
    allowed: Callable[[Target, str], bool]
    """Whether a caller may use it."""
    filtered: Callable[[v1.CompletionRequest, Target], Collection[str]]
    """The fields of a request that filters honour in its place."""


class Router:
    """Answers each request by attempts at its targets."""

    def __init__(self, parts: Parts, knowledge: Knowledge, routes: Routes | None = None) -> None:
        self.parts = parts
        self._knowledge = knowledge
        self._routes = routes or Routes()

    def complete(
        self, request: v1.CompletionRequest, call: Call, targets: Sequence[Target]
    ) -> AsyncIterator[v1.CompletionEvent]:
        """The events of the answer, and of attempts that fail before it. Raises if no target may be asked."""
        chosen = targets
        if len(targets) > 1 or request.HasField("routing") or not self.parts.health.admits(targets[0]):
            chosen = self._chosen(request, call, targets)
        return Attempts(self.parts, self._routes.policy(targets[0]), chosen, request, call).events()

    def direct(self, request: v1.CompletionRequest, call: Call, targets: Sequence[Target]) -> Attempts | None:
        """The attempts of a call whose first one its caller can read by itself, because there is nothing to plan, to
        race, to limit or to trace; None: there is."""
        policy, parts = self._routes.policy(targets[0]), self.parts
        if len(targets) > 1 or request.HasField("routing") or parts.tracer is not None:
            return None
        if policy.first_token is not None or policy.hedge is not None or not parts.health.admits(targets[0]):
            return None
        return Attempts(parts, policy, targets, request, call)

    def explain(
        self, request: v1.CompletionRequest, caller: str, targets: Sequence[Target], tokens: int | None = None
    ) -> Plan:
        """The plan for a request that is not sent. `tokens` replaces the estimate of the prompt's size."""
        facts = self._facts(request, caller, tokens)
        return plan(targets, self._routes.entry(targets[0]), facts, self.parts.health, self.parts.random)

    def rule_of(self, target: Target) -> Rule:
        """What the settings say of a target."""
        return self._routes.entry(target).rule(target.model.name)

    def _chosen(self, request: v1.CompletionRequest, call: Call, targets: Sequence[Target]) -> Sequence[Target]:
        if session := request.routing.session:
            self.parts.observer.routed(call, shown(session))
        planned = self.explain(request, call.caller, targets)
        for target, verdict in planned.skipped:
            self.parts.observer.skipped(call, target.model.provider, target.model.provider_model, verdict.value)
        chosen = planned.chosen or last_resort(planned)
        if not chosen:
            raise no_target(planned, request.model, self.parts.health)
        return chosen

    def _facts(self, request: v1.CompletionRequest, caller: str, tokens: int | None) -> Facts:
        estimated = cache(lambda: input_tokens(request) if tokens is None else tokens)
        refused = cache(lambda: refusal_of(request))
        return Facts(
            caller=caller,
            request=request,
            input_tokens=estimated,
            lacks=lambda target: refused()(target.model, self._knowledge.filtered(request, target)),
            allowed=lambda target: self._knowledge.allowed(target, caller),
            ready=self._knowledge.ready,
        )
