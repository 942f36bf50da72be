"""A collector on loopback that takes OTLP over HTTP and decodes the spans that it gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2
from waiting import until


@dataclass(frozen=True, slots=True)
class Span:
    """A span as it was exported. Ids are in hexadecimal."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    failed: bool
    attributes: dict[str, Any]
    resource: dict[str, Any]
    events: list[str]
    links: list[tuple[str, str]]
    """The trace and the span of each."""


@dataclass(slots=True)
class Collector:
    """What came so far."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    requests: int = 0
    hanging: asyncio.Event | None = None
    """Set it to let requests go on that wait for it."""

    async def roots(self, count: int) -> list[Span]:
        """The spans of so many calls and runs, once they are there."""
        await until(lambda: len(self._roots()) >= count)
        return self._roots()

    def below(self, span: Span) -> list[Span]:
        """The spans whose parent it is, in the order of their attempts."""
        return sorted(
            (one for one in self.spans if one.parent == span.id),
            key=lambda one: one.attributes.get("dragoman.attempt", 0),
        )

    def _roots(self) -> list[Span]:
        return [span for span in self.spans if span.kind in ("SERVER", "CONSUMER")]

    async def _take(self, request: web.Request) -> web.Response:
        self.requests += 1
        body = await request.read()
        if self.hanging is not None:
            await self.hanging.wait()
        assert request.content_type == "application/x-protobuf"
        self.spans += decoded(body)
        return web.Response()


@asynccontextmanager
async def collecting(*, hanging: bool = False) -> AsyncIterator[Collector]:
    """Listens on a free port. If it is `hanging`, it takes requests and does not answer them."""
    collector = Collector(hanging=asyncio.Event() if hanging else None)
    app = web.Application()
    app.router.add_post("/v1/traces", collector._take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        collector.url = f"http://{host}:{port}"
        yield collector
    finally:
        if collector.hanging is not None:
            collector.hanging.set()
        await runner.cleanup()


def decoded(body: bytes) -> list[Span]:
    """The spans of an export."""
    request = ExportTraceServiceRequest.FromString(body)
    return [
        _span(span, _values(resource.resource.attributes))
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _span(span: trace_pb2.Span, resource: dict[str, Any]) -> Span:
    return Span(
        span.name,
        trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        _values(span.attributes),
        resource,
        [event.name for event in span.events],
        [(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
    )


def _values(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    return {attribute.key: _value(attribute.value) for attribute in attributes}


def _value(value: AnyValue) -> Any:
    if value.HasField("array_value"):
        return [_value(one) for one in value.array_value.values]
    return getattr(value, str(value.WhichOneof("value")))
