"""What the service gives to filters."""

from __future__ import annotations

from dataclasses import dataclass

from dragoman_service.telemetry.meter import Names
from dragoman_service.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class FilterContext:
    """The second argument of a filter's entry point, if it takes two."""

    metrics: Metrics
    """The service's metrics. `metrics.registry` is the Prometheus registry, for series of the filter's own."""
    names: Names
    """What is known of the names of models."""
