"""Metrics and traces of operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dragoman_service.telemetry.metrics import Metrics

if TYPE_CHECKING:  # an extra
    from dragoman_service.telemetry.traces.spans import Root
    from dragoman_service.telemetry.traces.tracing import Tracing


class OperationMeter:
    """Receives the events of operations. See `dragoman_service.operations.model.observer.Observer`."""

    def __init__(self, metrics: Metrics, tracing: Tracing | None = None) -> None:
        self._metrics, self._tracing = metrics, tracing

    def states(self, counts: Mapping[str, int]) -> None:
        for state, count in counts.items():
            self._metrics.operations[state].set(count)

    def oldest_queued(self, seconds: float) -> None:
        self._metrics.oldest_queued.set(seconds)

    def finished(self, outcome: str, queue_seconds: float, run_seconds: float) -> None:
        self._metrics.operation_queue[outcome].observe(queue_seconds)
        self._metrics.operation_duration[outcome].observe(run_seconds)

    def workers(self, count: int) -> None:
        self._metrics.workers_live.set(count)

    def handed_back(self) -> None:
        self._metrics.handed_back.inc()

    def begun(self, name: str, number: int, starter: str, *, again: bool) -> Root | None:
        return None if self._tracing is None else self._tracing.run(name, number, starter, again=again)
