"""Metrics and log fields of routing."""

from __future__ import annotations

import structlog

from dragoman_service.contract import Call
from dragoman_service.telemetry.metrics import Metrics
from dragoman_service.telemetry.record import CallRecord

_STATES = ("closed", "half_open", "open")

log = structlog.get_logger(__name__)


class RouteMeter:
    """Receives the events of routing. See `dragoman_service.routing.attempts.observer.RouteObserver`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def ended(
        self, call: Call, provider: str, model: str, kind: str, outcome: str, reason: str, seconds: float
    ) -> None:
        self._metrics.attempts[provider, model, outcome, kind].inc()
        if reason:
            self._metrics.attempt_errors[provider, model, reason].inc()
        if isinstance(call.record, CallRecord) and (reason or call.record.attempts):
            call.record.attempts.append((provider, kind, reason, round(seconds * 1000, 3)))

    def routed(self, call: Call, session: str) -> None:
        if isinstance(call.record, CallRecord):
            call.record.session = session

    def state(self, provider: str, model: str, state: int) -> None:
        self._metrics.target_state[provider, model].set(state)
        log.warning("target.state", provider=provider, model=model, state=_STATES[state])

    def skipped(self, call: Call, provider: str, model: str, reason: str) -> None:
        self._metrics.route_skipped[provider, model, reason].inc()
        if isinstance(call.record, CallRecord):
            call.record.skipped.append(f"{provider}/{model}: {reason}")

    def refused(self, provider: str, model: str) -> None:
        self._metrics.retries_refused[provider, model].inc()

    def lost(self, model: str, seconds: float) -> None:
        self._metrics.time_lost[model].observe(seconds)

    def hedged(self, outcome: str) -> None:
        self._metrics.hedges[outcome].inc()

    def abandoned(self, provider: str, model: str) -> None:
        self._metrics.abandoned[provider, model].inc()
        log.warning("provider.close_late", provider=provider, model=model)
