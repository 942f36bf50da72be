"""From the name of a model to its provider: the functions that all frontends and operations call."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, fields
from typing import Any

import structlog
from dragoman import v1

from dragoman_service.admission.gate import held
from dragoman_service.admission.targets import TargetSlots
from dragoman_service.boundary import is_cancellation
from dragoman_service.catalogue.catalogue import Catalogue, Target
from dragoman_service.catalogue.fields import fit_fields
from dragoman_service.contract import Call, Complete, CompletionError, Trace
from dragoman_service.engine.answer import Answer
from dragoman_service.engine.budget import Budget
from dragoman_service.engine.deadlines import Deadlines
from dragoman_service.engine.direct import Direct, Events
from dragoman_service.engine.filtering import Filters, alias_of, wrapped
from dragoman_service.engine.fold import Fold, set_now
from dragoman_service.engine.listing import Listing
from dragoman_service.engine.plugin_errors import provider_error
from dragoman_service.engine.relay import Relay, Running
from dragoman_service.engine.serving import Serving, admit, completion_name
from dragoman_service.engine.tokenizing import ask, tokenizer_of
from dragoman_service.errors import shutting_down as shutting_down  # what operations use
from dragoman_service.routing.attempts.observer import RouteObserver, Unobserved
from dragoman_service.routing.attempts.parts import Parts
from dragoman_service.routing.attempts.traces import Tracer
from dragoman_service.routing.health.health import Health
from dragoman_service.routing.router import Knowledge, Router, Routes
from dragoman_service.timing.turns import Turns

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Resolved(Call):
    """Carries the target of a call past the filters, to which it is a `Call` like any other."""

    model: str = ""
    target: Target | None = None


@dataclass(frozen=True, slots=True)
class Routing:
    """How requests are routed, and who is told of it."""

    routes: Routes | None = None
    health: Health | None = None
    observer: RouteObserver | None = None
    tracer: Tracer | None = None


class Engine:
    """Finds the provider of each request and calls it through the filters.

    `complete` has the shape `Complete`: it yields `started`, then the provider's events. `allowed` maps a caller to
    patterns of the models that the caller may use (default: all). Answers under way take what they need of `budget`.
    `slots` limits the attempts at targets.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        filters: Filters | None = None,
        deadlines: Deadlines | None = None,
        allowed: Mapping[str, Sequence[str]] | None = None,
        budget: Budget | None = None,
        routing: Routing | None = None,
        *,
        slots: TargetSlots | None = None,
    ) -> None:
        self.catalogue = catalogue
        self._filters = filters = filters or Filters()
        self._around_models = filters.around_models(self._route)
        self._around_providers = filters.around_providers(self._serve)
        self.complete: Complete = wrapped(self._dispatch, filters.everywhere)
        self._deadlines = deadlines or Deadlines()
        self._listing = Listing(catalogue, filters, allowed or {})
        self.router = self._routed(routing or Routing())
        self._direct = Direct(catalogue, filters, self.router, self._filtered, slots)
        self._turns = Turns()
        self._budget = budget or Budget()
        self._slots = slots
        self._running = Running()

    def call(
        self,
        caller: str,
        *,
        call_id: str = "",
        remaining: float | None = None,
        streaming: bool = False,
        hops: int = 0,
    ) -> Call:
        """A new call of `caller`, who waits for `remaining` seconds (None: no deadline set)."""
        deadline = self._deadlines.until(remaining)
        call_id = call_id or uuid.uuid4().hex
        return Call(id=call_id, caller=caller, deadline=deadline, streaming=streaming, hops=hops)

    def long_call(self, caller: str, call_id: str, trace: Trace | None = None) -> Call:
        """A call that nobody waits for. It may take the longest time that the settings allow."""
        return Call(call_id, caller, self._deadlines.until(self._deadlines.longest), trace=trace)

    def resolve(self, name: str, caller: str) -> Target:
        """See `Listing.resolve`."""
        return self._listing.resolve(name, caller)

    def resolve_any(self, names: Sequence[str], caller: str) -> tuple[str, Target]:
        """See `Listing.resolve_any`."""
        return self._listing.resolve_any(names, caller)

    def models(self, caller: str) -> list[v1.Model]:
        """See `Listing.models`."""
        return self._listing.models(caller)

    def names(self, caller: str) -> list[tuple[str, v1.Model]]:
        """See `Listing.names`."""
        return self._listing.names(caller)

    def model(self, name: str, caller: str) -> v1.Model:
        """See `Listing.model`."""
        return self._listing.model(name, caller)

    async def completion(
        self, request: v1.CompletionRequest, call: Call, target: Target | None = None
    ) -> v1.Completion:
        """The whole answer. Cancelling the task stops the upstream. See `relay` for `target`."""
        direct = self._plain(request, call, target)
        if direct is None:
            async with self.relay(request, call, target) as relay:
                return await relay.completion()
        answer = Answer(direct, self._fold(request, call), call)
        self._running.live.add(answer)
        try:
            return await answer.completion()
        finally:
            self._running.live.discard(answer)

    def relay(self, request: v1.CompletionRequest, call: Call, target: Target | None = None) -> Relay:
        """The completion, which runs from when the `Relay` is entered. Leaving it stops the upstream.

        `target` is the request's model, if it was resolved already. The relay reports errors of `resolve` as its own.
        """
        plain = self._plain(request, call, target)
        events = plain or self.complete(request, call if target is None else _with_target(call, request, target))
        return Relay(events, self._fold(request, call), call, self._turns, self._running, own=plain is not None)

    def _plain(self, request: v1.CompletionRequest, call: Call, target: Target | None) -> Events | None:
        """The events of a plain call; None: it takes the long way, which also raises the errors of `resolve`."""
        try:
            return self._direct.events(request, call, target or self.resolve(request.model, call.caller))
        except CompletionError:
            return None

    def _fold(self, request: v1.CompletionRequest, call: Call) -> Fold:
        header = v1.Completion(name=completion_name(call), requested_model=request.model, request_id=request.request_id)
        if request.labels:
            header.labels.update(request.labels)
        set_now(header.create_time)
        return Fold(header, self._budget)

    def foreseen_warnings(self, request: v1.CompletionRequest, caller: str) -> list[v1.Warning]:
        """What a completion of the request would leave out, if nothing changes until it starts. Raises nothing."""
        try:
            target = self.resolve(request.model, caller)
            return fit_fields(request, target.model, self._filtered(request, target))[1]
        except CompletionError:
            return []

    async def count_tokens(self, request: v1.CompletionRequest, call: Call) -> v1.CountTokensResponse:
        """Counts the tokens of the prompt. Raises CAPABILITY_MISSING and the errors of `resolve`."""
        target = self.resolve(request.model, call.caller)
        tokenizer = tokenizer_of(target, v1.CAPABILITY_COUNT_TOKENS)
        fitted, _ = fit_fields(request, target.model, ("safety_settings",))
        admit(call)
        return await ask(target, call, v1.CountTokensResponse, lambda: tokenizer.count_tokens(fitted, call))

    async def tokenize(
        self, request: v1.TokenizeRequest, call: Call, target: Target | None = None
    ) -> v1.TokenizeResponse:
        """Splits a text or a prompt into tokens. Raises CAPABILITY_MISSING and the errors of `resolve`.

        `target` is the request's model, if it was resolved already.
        """
        target = target or self.resolve(request.model or request.request.model, call.caller)
        tokenizer = tokenizer_of(target, v1.CAPABILITY_TOKENIZE)
        fitted = v1.TokenizeRequest(model=target.model.provider_model)
        if request.HasField("request"):
            fitted.request.CopyFrom(fit_fields(request.request, target.model, ("safety_settings",))[0])
        else:
            fitted.text = request.text
        admit(call)
        return await ask(target, call, v1.TokenizeResponse, lambda: tokenizer.tokenize(fitted, call))

    def stop(self) -> None:
        """Ends all running completions with SHUTTING_DOWN."""
        for completion in tuple(self._running.live):
            completion.fail(shutting_down())

    async def closed(self, within: float) -> None:
        """Returns when all upstreams are closed, or after `within` seconds: a provider may swallow its cancellation."""
        if running := (*self._running.pumps, *self.router.parts.abandoned):
            _, late = await asyncio.wait(running, timeout=within)
            for task in late:
                log.error("provider.stuck", task=task.get_name(), seconds=within)

    def _filtered(self, request: v1.CompletionRequest, target: Target) -> Collection[str]:
        """The fields of the request that filters honour."""
        return self._filters.honours_for(target) if request.safety_settings else ()

    async def _dispatch(self, request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]:
        """Passes the request on to its targets through the filters of the name that it asks for."""
        target = _resolved(request, call) or self.resolve(request.model, call.caller)
        call = _with_target(call, request, target)
        complete = self._around_models.get(alias_of(target), self._route)
        async with aclosing(complete(request, call)) as events:  # type: ignore[type-var]
            async for event in events:
                yield event

    def _route(self, request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]:
        target = _resolved(request, call) or self.resolve(request.model, call.caller)
        return self.router.complete(request, call, self.catalogue.route(target))

    def _routed(self, routing: Routing) -> Router:
        knowledge = Knowledge(self.catalogue.is_ready, self._listing.allows, self._filtered)
        health, observer = routing.health or Health(time.monotonic), routing.observer or Unobserved()
        parts = Parts(self._attempt, health, observer, tracer=routing.tracer)
        return Router(parts, knowledge, routing.routes)

    def _attempt(
        self, target: Target, request: v1.CompletionRequest, call: Call, *, queue: bool
    ) -> AsyncIterator[v1.CompletionEvent]:
        if _resolved(request, call) is not target:
            call = _with_target(call, request, target)
        complete = self._around_providers.get(self._filters.place(target), self._serve)
        if self._slots is None:
            return complete(request, call)
        return held(self._slots.slot(target, request, call, queue=queue), complete(request, call))

    async def _serve(self, request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]:
        """One attempt: `started`, then the provider's events."""
        target = _resolved(request, call) or self.resolve(request.model, call.caller)
        serving = Serving(target, request, call)
        asked, started = serving.begin(request, self._filtered(request, target))
        yield started
        try:
            answer = target.provider.complete(asked, call)
            del asked, started  # because the answer may be long
            async with aclosing(answer) as events:  # type: ignore[type-var]
                async for given in events:
                    event = serving.passed(given)
                    if event is not None:
                        yield event
        except BaseException as fault:
            if is_cancellation(fault):
                raise
            raise provider_error(target, fault) from fault


_FIELDS = [field.name for field in fields(Call)]


def _with_target(call: Call, request: v1.CompletionRequest, target: Target) -> _Resolved:
    values: dict[str, Any] = {name: getattr(call, name) for name in _FIELDS}
    return _Resolved(**values, model=request.model, target=target)


def _resolved(request: v1.CompletionRequest, call: Call) -> Target | None:
    """The target that the call carries, unless a filter has changed the model of the request."""
    return call.target if isinstance(call, _Resolved) and call.model == request.model else None
