"""Engines that send calls the short way or the long one, and all that can be told of the outcome."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import fields, replace
from itertools import groupby

from dragoman import v1
from dragoman_service.catalogue.catalogue import Catalogue
from dragoman_service.contract import CompletionError, Whole
from dragoman_service.engine.budget import Budget
from dragoman_service.engine.engine import Engine, Routing
from dragoman_service.engine.filtering import Filters
from dragoman_service.filters.context import FilterContext
from dragoman_service.filters.metering import make_metering
from dragoman_service.routing.policy import Policy
from dragoman_service.routing.router import Routes
from dragoman_service.telemetry.metrics import Metrics
from dragoman_service.telemetry.record import CallRecord
from dragoman_service.telemetry.routes import RouteMeter
from dragoman_service.testing import Scripted
from google.rpc import code_pb2


class Batched(Scripted):
    """Plays events that follow each other as one batch. They are new with each request."""

    async def complete(self, request, call):
        async with aclosing(super().complete(request, call)) as events:
            async for event in events:
                yield copied(event)

    async def in_batches(self, request, call):
        self.requests.append(request)
        self.running += 1
        try:
            for are_events, steps in groupby(self._steps, lambda step: isinstance(step, v1.CompletionEvent)):
                if are_events:
                    yield [copied(event) for event in steps]
                else:
                    async for _ in Scripted(*steps).complete(request, call):
                        pass
        finally:
            self.running -= 1
            self.closed.set()


def copied(event):
    copy = v1.CompletionEvent()
    copy.CopyFrom(event)
    return copy


def once(error):
    """A step that fails the first time."""
    errors = [error]

    async def fail():
        if errors:
            raise errors.pop()

    return fail


class Names:
    def is_listed(self, name):
        return True

    def is_local(self, full_name):
        return False


def passing(complete):
    async def passed(request, call) -> AsyncIterator[v1.CompletionEvent]:
        async with aclosing(complete(request, call)) as events:
            async for event in events:
                yield event

    return passed


class Way:
    """An engine with its metrics, which sends calls the short way or the long one."""

    def __init__(self, provider, *, long: bool, policy: Policy | None = None, budget: Budget | None = None) -> None:
        self.metrics, self.provider = Metrics(), provider
        metering = make_metering({}, FilterContext(self.metrics, Names()))
        filters = Filters([metering, passing] if long else [metering])
        routing = Routing(Routes(default=policy or Policy(longest_wait=0.2)), observer=RouteMeter(self.metrics))
        self.engine = Engine(Catalogue({"p": provider}, {}), filters, budget=budget, routing=routing)

    def call(self, *, streaming=False, remaining=5.0, hops=0):
        call = self.engine.call("me", call_id="1", streaming=streaming, remaining=remaining, hops=hops)
        record = CallRecord("s", "CreateCompletion", "unary", "1")
        return replace(call, record=record, whole=Whole(allowed=not streaming))

    def told(self, record):
        """The log record and the metrics, without times, and the calls that are under way."""
        facts = {field.name: getattr(record, field.name) for field in fields(record) if field.name != "underway"}
        facts = {name: value for name, value in facts.items() if not isinstance(value, float)}
        facts["attempts"] = [attempt[:3] for attempt in record.attempts]
        counted = {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for metric in self.metrics.registry.collect()
            for sample in metric.samples
            if sample.name.startswith(("dragoman", "gen_ai")) and not sample.name.endswith(("_sum", "_bucket"))
        }
        return facts, counted, self.engine.router.parts.health.of("p/scripted").in_flight


async def streamed(way, request):
    call, events, error = way.call(streaming=True), [], None
    async with way.engine.relay(request, call) as relay:
        try:
            async for event in relay:
                events.append(timeless(event))
        except CompletionError as raised:
            error = facts_of(raised)
    await asyncio.wait((relay.task,))
    return texts_joined(events), error, way.told(call.record)


async def whole(way, request):
    call = way.call()
    try:
        answer, error = timeless(await way.engine.completion(request, call)), None
    except CompletionError as raised:
        answer, error = None, facts_of(raised)
    return answer, error, way.told(call.record)


def facts_of(error):
    """The error without its random delay."""
    return error.code, error.reason_name, error.message, error.fields, error.metadata, error.retryable


def timeless(message):
    """A completion, or an event, without its times; the error of an event, which is raised too; and its number, which
    depends on what was merged."""
    for name in ("event_time", "create_time", "finish_time", "sequence"):
        if name in message.DESCRIPTOR.fields_by_name:
            message.ClearField(name)
    attempts = message.attempts if isinstance(message, v1.Completion) else []
    if isinstance(message, v1.CompletionEvent) and message.HasField("attempt"):
        attempts = [message.attempt]
    elif isinstance(message, v1.CompletionEvent) and message.HasField("finished"):
        message.finished.ClearField("error")
        if message.finished.HasField("completion"):
            timeless(message.finished.completion)
    for attempt in attempts:
        attempt.ClearField("start_offset")
        attempt.ClearField("duration")
        attempt.ClearField("error")  # with a random delay
    return message


def texts_joined(events):
    """The events with neighbouring texts in one, however they came."""
    joined = []
    for event in events:
        if joined and event.delta.text and joined[-1].delta.text:
            joined[-1].delta.text += event.delta.text
        else:
            joined.append(event)
    return joined


def weak(text="down"):
    return CompletionError(code_pb2.UNAVAILABLE, v1.ERROR_REASON_PROVIDER_UNAVAILABLE, text, retryable=True)


def busy():
    limited = v1.ERROR_REASON_PROVIDER_RATE_LIMITED
    return CompletionError(code_pb2.RESOURCE_EXHAUSTED, limited, "wait", retryable=True, retry_after=0.01)


def rated(source=""):
    rating = v1.SafetyRating(category="hate", source=source)
    return v1.CompletionEvent(safety=v1.SafetyReport(assessment=v1.SafetyAssessment(ratings=[rating])))


def thought(text, state=b""):
    return v1.CompletionEvent(delta=v1.Delta(reasoning=text, state=state))
