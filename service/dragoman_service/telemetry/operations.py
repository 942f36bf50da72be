"""Metrics of operations."""

from __future__ import annotations

from collections.abc import Mapping

from dragoman_service.telemetry.metrics import Metrics


class OperationMeter:
    """Receives the events of operations. See `dragoman_service.operations.model.observer.Observer`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def states(self, counts: Mapping[str, int]) -> None:
        for state, count in counts.items():
            self._metrics.operations[state].set(count)

    def oldest_queued(self, seconds: float) -> None:
        self._metrics.oldest_queued.set(seconds)

    def finished(self, outcome: str, queue_seconds: float, run_seconds: float) -> None:
        self._metrics.operation_queue[outcome].observe(queue_seconds)
        self._metrics.operation_duration[outcome].observe(run_seconds)

    def handed_back(self) -> None:
        self._metrics.handed_back.inc()
