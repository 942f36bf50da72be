"""Counts what limits refuse and what attempts cost; notes it in the log line of the call."""

from __future__ import annotations

import structlog

from dragoman_service.contract import Call
from dragoman_service.telemetry.metrics import Metrics
from dragoman_service.telemetry.record import CallRecord

NANO = 1e9  # in a US dollar

log = structlog.get_logger(__name__)


class LimitMeter:
    """Told by limits: see `dragoman_service.limits.calls.observer.LimitObserver`, and by the watch of budgets."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def refused(self, call: Call, unit: str, limit: str) -> None:
        self._metrics.rejected[unit].inc()
        self._note(call, limit)

    def shadowed(self, call: Call, unit: str, limit: str) -> None:
        self._metrics.limits_shadow[unit].inc()
        log.warning("limit.would_refuse", limit=limit, call_id=call.id)
        self._note(call, limit)

    def unavailable(self, call: Call) -> None:
        self._metrics.rejected["unavailable"].inc()

    def settled(self, call: Call, provider: str, model: str, cost: int | None, *, estimated: bool) -> None:
        if cost is None:
            self._metrics.unpriced[provider, model].inc()
        else:
            self._metrics.cost[provider, model].inc(cost / NANO)
        if isinstance(call.record, CallRecord):
            call.record.cost_nano_usd += cost or 0
            call.record.estimated = call.record.estimated or estimated

    def reserved(self, call: Call, tokens: int) -> None:
        if isinstance(call.record, CallRecord):
            call.record.reserved = tokens

    def asked(self, op: str, seconds: float) -> None:
        """The store of limits has answered."""
        self._metrics.limit_store[op].observe(seconds)

    def unsettled(self, attempts: int) -> None:
        """So many attempts are not in the ledger yet."""
        self._metrics.unsettled.set(attempts)

    def budget(self, scope: str, limit: str, ratio: float) -> None:
        """The used part of a budget. Teams alone have a metric, because keys are callers."""
        kind, _, name = scope.partition("/")
        if kind == "team":
            self._metrics.budget_used[name, limit].set(ratio)

    def warned(self, scope: str, limit: str, part: float, ratio: float) -> None:
        """A budget has been used up to a part that the settings name."""
        log.warning("limit.budget", scope=scope, limit=limit, reached=part, used=round(ratio, 4))

    @staticmethod
    def _note(call: Call, limit: str) -> None:
        if isinstance(call.record, CallRecord):
            call.record.limit = limit
