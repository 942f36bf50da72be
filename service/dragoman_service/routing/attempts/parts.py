"""What the attempts of all calls share."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Protocol

from dragoman import v1

from dragoman_service.catalogue.catalogue import Target
from dragoman_service.contract import Call, CompletionError
from dragoman_service.routing.attempts.attempt import KINDS, Attempt
from dragoman_service.routing.attempts.observer import RouteObserver, Unobserved
from dragoman_service.routing.attempts.traces import Tracer
from dragoman_service.routing.health.health import Health


class Ask(Protocol):
    """Asks one target once, through the filters of its provider: `started`, then the events of its answer."""

    def __call__(
        self, target: Target, request: v1.CompletionRequest, call: Call, *, queue: bool
    ) -> AsyncIterator[v1.CompletionEvent]:
        """`queue`: the attempt may wait for a slot of the target."""
        ...


@dataclass(slots=True)
class Parts:
    """Shared by all calls of a router. `random` returns numbers from 0 to 1."""

    ask: Ask
    health: Health = field(default_factory=lambda: Health(time.monotonic))
    observer: RouteObserver = field(default_factory=Unobserved)
    random: Callable[[], float] = random.random
    tracer: Tracer | None = None
    abandoned: set[asyncio.Task[None]] = field(default_factory=set)
    """What closes attempts while their calls go on, or did not close in time."""
    _states: dict[str, int] = field(default_factory=dict)
    """The states of breakers that are not closed, as they were reported."""

    def close(self, attempt: Attempt) -> None:
        """Closes an attempt while others go on."""
        task = asyncio.get_running_loop().create_task(attempt.close(), name=f"close {attempt.target.model.name}")
        self.abandoned.add(task)
        task.add_done_callback(self.abandoned.discard)

    def abandon(self, target: Target, task: asyncio.Task[None]) -> None:
        """Leaves an attempt to itself."""
        self.abandoned.add(task)
        task.add_done_callback(self.abandoned.discard)
        self.observer.abandoned(target.model.provider, target.model.provider_model)

    def end(self, call: Call, attempt: Attempt, error: CompletionError | None, *, left: bool = False) -> None:
        """An attempt failed, or answered (None), or was `left`: its caller is gone, or another attempt won."""
        target, model = attempt.target, attempt.target.model
        self.health.end(target, error, left=left, lease=attempt.lease)
        outcome = "cancelled" if left else "ok" if error is None else "retryable" if error.retryable else "fatal"
        reason = "" if error is None else error.reason_name
        seconds = attempt.seconds or 0.0
        self.observer.ended(call, model.provider, model.provider_model, KINDS[attempt.kind], outcome, reason, seconds)
        if attempt.trace is not None:
            attempt.trace.end(error, outcome=outcome)
        if error is not None or self._states:
            self._report(target)

    def _report(self, target: Target) -> None:
        model = target.model
        state = self.health.of(model.name).state(self.health.now())
        if state != self._states.get(model.name, 0):
            self._states[model.name] = state
            self.observer.state(model.provider, model.provider_model, state)
            if not state:
                del self._states[model.name]
