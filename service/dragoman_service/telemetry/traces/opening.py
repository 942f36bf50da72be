"""Opens the way to a collector: OpenTelemetry's exporter, and a thread that feeds it."""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import AlwaysRecordSampler

from dragoman_service.telemetry.traces.sender import Sender
from dragoman_service.telemetry.traces.tracing import Choice, Tracing

FLUSH = 5.0  # seconds in which the last spans are sent


@asynccontextmanager
async def open_tracing(
    endpoint: str, ratio: float, worker: int, dropped: Callable[[int], None], *, flush: float = FLUSH
) -> AsyncIterator[Tracing]:
    """Sends spans to the collector at `endpoint` until the end, the last ones for up to `flush` seconds. `dropped` is
    told how many are lost.

    The environment variables of OpenTelemetry's exporter apply, such as OTEL_EXPORTER_OTLP_HEADERS.
    """
    logging.getLogger("opentelemetry.exporter").setLevel(logging.ERROR)  # warnings are retries, several a second
    sender = Sender(OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces"), dropped)
    provider = TracerProvider(AlwaysRecordSampler(Choice(ratio)), _resource(worker), shutdown_on_exit=False)
    tracing = Tracing(provider.get_tracer("dragoman", version("dragoman-service")), sender.send, dropped)
    try:
        yield tracing
    finally:
        until, now = tracing.flush_until, asyncio.get_running_loop().time()
        await sender.close(0.0 if until is None else min(flush, max(0.0, until - now)))


def _resource(worker: int) -> Resource:
    """This process. What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say wins."""
    known: dict[str, str | int] = {
        "service.name": "dragoman",
        "service.version": version("dragoman-service"),
        "service.instance.id": str(uuid.uuid4()),
        "process.pid": os.getpid(),
    }
    if worker:
        known["dragoman.worker"] = worker
    return Resource(known).merge(OTELResourceDetector().detect())
