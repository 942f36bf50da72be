"""Begins spans, and decides which are sampled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc
from dragoman import v1
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, SamplingResult, TraceIdRatioBased
from opentelemetry.trace import Link, Span, SpanKind, Tracer, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from dragoman_service.contract import Call
from dragoman_service.telemetry.record import CallRecord
from dragoman_service.telemetry.traces.kept import Kept
from dragoman_service.telemetry.traces.spans import TRACEPARENT, TRACESTATE, AttemptSpan, Root, Trace

MAX_HEADER = 512  # characters of a header that is read
_FAULTS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""Codes that are errors of a server, by the conventions."""
_PROPAGATOR = TraceContextTextMapPropagator()


class Choice(ParentBased):
    """Samples what the parent samples, without a parent a `ratio` of the calls, and an operation as the call that
    started it."""

    def __init__(self, ratio: float) -> None:
        super().__init__(TraceIdRatioBased(ratio))

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Any = None,
        links: Sequence[Link] | None = None,
        trace_state: Any = None,
    ) -> SamplingResult:
        told = (parent_context, trace_id, name, kind, attributes, links, trace_state)
        if links:
            sampled = any(link.context.trace_flags.sampled for link in links)
            return (ALWAYS_ON if sampled else ALWAYS_OFF).should_sample(*told)
        return super().should_sample(*told)


class Tracing:
    """Begins the spans of `tracer`, which records all, and passes those that are to be sent to `send`."""

    def __init__(self, tracer: Tracer, send: Callable[[ReadableSpan], None], dropped: Callable[[int], None]) -> None:
        self._tracer, self._send, self._dropped = tracer, send, dropped
        self.flush_until: float | None = None
        """Loop time until which the last spans may be sent when the service ends. None: they are not sent."""

    def begin_rpc(self, record: CallRecord, metadata: Mapping[str, Any]) -> None:
        """Begins the span of a call over gRPC, unless it is a probe."""
        if record.routine:
            return
        method = f"{record.service}/{record.method}"
        attributes = {"rpc.system.name": "grpc", "rpc.method": method, "dragoman.call_id": record.call_id}
        record.trace = self._root(method, metadata, attributes)

    def end_rpc(self, record: CallRecord, code: grpc.StatusCode) -> None:
        """Ends it."""
        if isinstance(record.trace, Root):
            record.trace.span.set_attribute("rpc.response.status_code", code.name)
            _end(record.trace, record, code)

    def begin_http(self, record: CallRecord, headers: Mapping[str, Any], verb: str, route: str) -> None:
        """Begins the span of a call over HTTP."""
        attributes = {
            "http.request.method": verb,
            "http.route": route,
            "url.scheme": "http",
            "dragoman.call_id": record.call_id,
        }
        record.trace = self._root(f"{verb} {route}", headers, attributes)

    def end_http(self, record: CallRecord, code: grpc.StatusCode, status: int) -> None:
        """Ends it. `status` is 0 without a response."""
        if isinstance(record.trace, Root):
            if status:
                record.trace.span.set_attribute("http.response.status_code", status)
            _end(record.trace, record, code)

    def attempt(self, call: Call, number: int, kind: str, model: v1.Model) -> AttemptSpan:
        """Begins the span of an attempt of a call."""
        record = call.record if isinstance(call.record, CallRecord) else None
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": model.provider,
            "gen_ai.request.model": model.provider_model,
            "gen_ai.request.stream": call.streaming,
            "dragoman.attempt": number,
            "dragoman.kind": kind,
        }
        if record is not None and record.skipped and number == 1:
            attributes["dragoman.route.skipped"] = record.skipped[:16]
        above = call.trace if isinstance(call.trace, Trace) else None
        context = Context() if above is None else set_span_in_context(above.span, Context())
        name = f"chat {model.provider_model}"
        span = self._tracer.start_span(name, context, SpanKind.CLIENT, attributes)
        kept = self._kept(span) if above is None else above.kept
        return AttemptSpan(span, kept, record, alone=above is None, whole=call.whole.asked)

    def run(self, name: str, number: int, starter: str, *, again: bool) -> Root:
        """Begins the span of a run of an operation, which is a trace of its own, linked to the call that started it.

        `starter` is the `traceparent` of that call, or empty; `again`: what an earlier run wrote is replaced.
        """
        started = get_current_span(_parent({TRACEPARENT: starter})).get_span_context()
        links = [Link(started)] if started.is_valid else []
        attributes: dict[str, Any] = {"dragoman.operation": name, "dragoman.run": number}
        span = self._tracer.start_span("operation", Context(), SpanKind.CONSUMER, attributes, links)
        if again:
            span.add_event("retracted")
        return Root(span, self._kept(span))

    def _root(self, name: str, headers: Mapping[str, Any], attributes: Mapping[str, Any]) -> Root:
        span = self._tracer.start_span(name, _parent(headers), SpanKind.SERVER, attributes)
        return Root(span, self._kept(span))

    def _kept(self, span: Span) -> Kept:
        return Kept(self._send, self._dropped, sampled=span.get_span_context().trace_flags.sampled)


def _parent(headers: Mapping[str, Any]) -> Context:
    """The span that the headers name; none, if they name none that is valid. Baggage is not read."""
    told = {name: headers.get(name) for name in (TRACEPARENT, TRACESTATE)}
    # The library logs a line for longer ones, which callers could fill the log with.
    sound = {name: value for name, value in told.items() if isinstance(value, str) and len(value) <= MAX_HEADER}
    return _PROPAGATOR.extract(sound, Context())


def _end(trace: Root, record: CallRecord, code: grpc.StatusCode) -> None:
    if record.queued:
        trace.span.set_attribute("dragoman.queue_ms", round(record.queued * 1000, 3))
    if record.operation:
        trace.span.set_attribute("dragoman.operation", record.operation)
    error = "" if code is grpc.StatusCode.OK and not record.reason else record.reason or code.name
    trace.end(error, failed=code in _FAULTS)
