"""What the service gives to filters."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from dragoman_service.telemetry.meter import Names
from dragoman_service.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class FilterContext:
    """The second argument of a filter's entry point, if it takes two."""

    metrics: Metrics
    names: Names
    name: str = ""
    """The name of the filter in the settings, which its findings give as their source."""

    @property
    def registry(self) -> CollectorRegistry | None:
        """The registry in which a filter creates metrics of its own.

        None if there are several workers: what prometheus_client creates without a registry is added up over all.
        """
        return self.metrics.own
