"""The short way of a plain call: one generator in place of one for each layer, with the same events.

A call is plain if it has one target without slots and one choice, if filters only look on, and if nothing in the
settings concerns the attempts at its target but whether a failed one is repeated. What follows a failed attempt takes
the long way.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Iterator
from contextlib import aclosing
from typing import cast

from dragoman import v1

from dragoman_service.admission.targets import TargetSlots
from dragoman_service.boundary import is_cancellation
from dragoman_service.catalogue.catalogue import Catalogue, Target
from dragoman_service.contract import Call, CompletionError, Concerns, InBatches, Observe, Observer
from dragoman_service.engine.filtering import Filters
from dragoman_service.engine.plugin_errors import provider_error
from dragoman_service.engine.serving import Serving
from dragoman_service.routing.attempts.attempt import Attempt, no_answer
from dragoman_service.routing.attempts.loop import Attempts
from dragoman_service.routing.router import Router

Filtered = Callable[[v1.CompletionRequest, Target], Collection[str]]
Events = AsyncGenerator[v1.CompletionEvent]


class Direct:
    """Answers plain calls. `filtered` tells the fields of a request that filters honour."""

    def __init__(
        self, catalogue: Catalogue, filters: Filters, router: Router, filtered: Filtered, slots: TargetSlots | None
    ) -> None:
        self._catalogue, self._router, self._filtered, self._slots = catalogue, router, filtered, slots
        self._observes: list[Observe] = []
        self._concerns: list[Concerns] = []
        self._possible = not (filters.models or filters.providers)
        for wrap in filters.everywhere:
            if (observe := getattr(wrap, "observe", None)) is not None:
                self._observes.append(observe)
            elif (concerns := getattr(wrap, "concerns", None)) is not None:
                self._concerns.append(concerns)
            else:
                self._possible = False

    def events(self, request: v1.CompletionRequest, call: Call, target: Target) -> Events | None:
        """The events of the answer; None: the call is not plain."""
        if not self._possible or not hasattr(target.provider, "in_batches"):
            return None
        if request.generation_config.choice_count > 1 or any(concerns(request, call) for concerns in self._concerns):
            return None
        if self._slots is not None and self._slots.limits(target):
            return None
        attempts = self._router.direct(request, call, self._catalogue.route(target))
        return None if attempts is None else self._plain(attempts, target, request, call)

    async def _plain(self, attempts: Attempts, target: Target, request: v1.CompletionRequest, call: Call) -> Events:
        observers = [observe(request, call) for observe in self._observes]
        try:
            attempt, provider = attempts.begin(), cast("InBatches", target.provider)
            try:
                serving = Serving(target, request, call)
                asked, started = serving.begin(request, self._filtered(request, target))
                attempt.holds(started)
                try:
                    answer = provider.in_batches(asked, call)
                    del asked, started  # because the answer may be long
                    async with aclosing(answer) as batches:
                        async for events in batches:
                            for event in _passed(events, serving, attempts, attempt):
                                _record(event, observers)
                                yield event
                except BaseException as fault:
                    if is_cancellation(fault):
                        raise
                    raise provider_error(target, fault) from fault
                if not attempt.committed:
                    raise no_answer()
                attempts.end()
            except CompletionError as error:
                async with aclosing(attempts.fail(error)) as others:
                    async for event in others:
                        _record(event, observers)
                        yield event
            finally:
                attempts.leave()
            _close("", observers)
        except CompletionError as error:
            _close(error.reason_name, observers)
            raise
        except (GeneratorExit, asyncio.CancelledError):
            _close("CANCELLED", observers)
            raise


def _passed(
    events: Iterable[v1.CompletionEvent], serving: Serving, attempts: Attempts, attempt: Attempt
) -> Iterator[v1.CompletionEvent]:
    """What is passed on: nothing before the attempt is committed, then what was held as well."""
    for given in events:
        event = serving.passed(given)
        if event is None:
            continue
        if not attempt.committed:
            if attempt.holds(event):
                attempts.committed(attempt)
                yield from attempt.take()
            continue
        if event.HasField("usage"):
            attempt.usage = event.usage
        yield event


def _record(event: v1.CompletionEvent, observers: Iterable[Observer]) -> None:
    for observer in observers:
        observer.record(event)


def _close(reason: str, observers: Iterable[Observer]) -> None:
    for observer in observers:
        observer.close(reason)
