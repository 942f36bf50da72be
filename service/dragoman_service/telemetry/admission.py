"""Counts what waits for a slot, what is refused, and the slots in use; notes it in the log line of the call."""

from __future__ import annotations

from dragoman_service.contract import Call
from dragoman_service.telemetry.metrics import Metrics
from dragoman_service.telemetry.record import CallRecord

_REASONS = {"shed_full": "queue_full", "shed_wait": "queue_wait", "shed_deadline": "deadline"}
_OPERATION = "Operation"


class AdmissionMeter:
    """Told by admission. Labels are names in the settings and bands."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def queued(self, pool: str, band: str, call: Call) -> None:
        """A request has begun to wait."""
        self._metrics.queue_length[pool, band].inc()
        self._phase(call, "waiting_first_token", "queued")

    def left(self, pool: str, band: str, call: Call, outcome: str, seconds: float) -> None:
        """It waits no more."""
        self._metrics.queue_length[pool, band].dec()
        self._metrics.queue_wait[pool, band, outcome].observe(seconds)
        self._phase(call, "queued", "waiting_first_token")
        self._count(outcome)
        if isinstance(call.record, CallRecord):
            call.record.queued += seconds
            call.record.band = band
            call.record.shed = "" if outcome in ("admitted", "cancelled") else outcome

    def refused(self, pool: str, band: str, call: Call, outcome: str) -> None:
        """A request was refused without a wait."""
        self._metrics.queue_wait[pool, band, outcome].observe(0)
        self._count(outcome)
        if isinstance(call.record, CallRecord):
            call.record.band, call.record.shed = band, outcome

    def caller_refused(self, call: Call) -> None:
        """A caller has too many requests under way."""
        self._metrics.rejected["caller_concurrency"].inc()
        if isinstance(call.record, CallRecord):
            call.record.shed = "caller_concurrency"

    def used(self, pool: str, used: int, limit: int) -> None:
        """What is under way in a pool, or its limit, has changed."""
        labels = _labels(pool)
        self._metrics.concurrency_used[labels].set(used)
        self._metrics.concurrency_limit[labels].set(limit)

    def _count(self, outcome: str) -> None:
        if reason := _REASONS.get(outcome):
            self._metrics.rejected[reason].inc()

    def _phase(self, call: Call, before: str, after: str) -> None:
        method = call.record.method if isinstance(call.record, CallRecord) else _OPERATION
        self._metrics.inflight[method, before].dec()
        self._metrics.inflight[method, after].inc()


def _labels(pool: str) -> tuple[str, str]:
    """Provider and model of a pool: `service`, `models/NAME`, `providers/NAME` or `targets/PROVIDER/MODEL`."""
    kind, _, name = pool.partition("/")
    if kind == "targets":
        provider, _, model = name.partition("/")
        return provider, model
    return (name, "") if kind == "providers" else ("", name)
