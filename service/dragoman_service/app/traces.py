"""Opens traces, if the settings name a collector."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from dragoman_service.settings.settings import Mistake, Settings, SettingsError
from dragoman_service.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from dragoman_service.telemetry.traces.tracing import Tracing


@asynccontextmanager
async def open_traces(settings: Settings, metrics: Metrics, worker: int) -> AsyncIterator[Tracing | None]:
    """None without a collector. Raises SettingsError if OpenTelemetry is not installed."""
    otlp = settings.telemetry.otlp
    if otlp.endpoint is None:
        yield None
        return
    try:  # here, because it is an extra, and takes a fifth of a second to load
        from dragoman_service.telemetry.traces.opening import open_tracing
    except ImportError as error:
        missing = f"needs OpenTelemetry: install dragoman-service[otel] ({error})"
        raise SettingsError([Mistake("telemetry.otlp.endpoint", missing)]) from error
    async with open_tracing(otlp.endpoint, otlp.traces, worker, metrics.spans_dropped.inc) as tracing:
        yield tracing
