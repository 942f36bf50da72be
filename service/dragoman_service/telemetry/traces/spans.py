"""The spans of the service: of a call, of a run of an operation, and of each attempt at a provider."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing

from dragoman import v1
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Span, SpanContext, Status, StatusCode

from dragoman_service.contract import CompletionError
from dragoman_service.telemetry.record import CallRecord
from dragoman_service.telemetry.traces.kept import Kept

ALIVE = 60.0  # seconds between the events of an answer that goes on and on
_REFUSED = "OVERLOADED"
"""A failure that is not sent in any case, because there are many at a time when the service has no time for them."""
TRACEPARENT, TRACESTATE = "traceparent", "tracestate"


class Trace:
    """A span, as what it is passed to sees it: `dragoman_service.contract.Trace`."""

    def __init__(self, span: Span, kept: Kept) -> None:
        context = span.get_span_context()
        self.span, self.kept = span, kept
        self.id = f"{context.trace_id:032x}"
        self.onward = headers_of(context)

    def _end(self, error: str, *, failed: bool) -> ReadableSpan | None:
        """Ends the span. None: it is not recorded, because the environment turns OpenTelemetry off."""
        if error:
            self.span.set_attribute("error.type", error)
        if failed:
            self.span.set_status(Status(StatusCode.ERROR, error))
        self.span.end()
        return self.span if isinstance(self.span, ReadableSpan) else None


class Root(Trace):
    """The span of a call, or of a run of an operation. The attempts are below it."""

    def end(self, error: str = "", *, failed: bool) -> None:
        """`error` is the reason of a failure; `failed`: it is the fault of the service or of its providers."""
        if (span := self._end(error, failed=failed)) is not None:
            self.kept.close(span, failed=failed and error != _REFUSED)


class AttemptSpan(Trace):
    """The span of an attempt at a provider. `alone`: no other span is above it. An answer that goes on has an event
    every `alive` seconds, one that comes as a `whole` has none."""

    def __init__(
        self,
        span: Span,
        kept: Kept,
        record: CallRecord | None,
        *,
        alone: bool,
        alive: float = ALIVE,
        whole: bool = False,
    ) -> None:
        super().__init__(span, kept)
        self._whole = whole
        self._record, self._alone, self._pause = record, alone, alive
        self._queued = record.queued if record is not None else 0.0
        self._begin = self._alive = time.perf_counter()
        self._usage: v1.Usage | None = None
        self._reasons: list[str] = []
        self._begun = self._committed = False

    async def watch(self, events: AsyncIterator[v1.CompletionEvent]) -> AsyncIterator[v1.CompletionEvent]:
        """The events as they come, of which the span notes what matters."""
        async with aclosing(events) as watched:  # type: ignore[type-var]
            async for event in watched:
                self._note(event)
                yield event

    def committed(self) -> None:
        """No other attempt will follow."""
        self._committed = True
        self.span.add_event("committed")

    def end(self, error: CompletionError | None, *, outcome: str) -> None:
        """`outcome` is `ok`, `retryable`, `fatal` or `cancelled`, as in the metrics."""
        if self._usage is not None:
            self.span.set_attributes(_usage(self._usage))
        if self._reasons:
            self.span.set_attribute("gen_ai.response.finish_reasons", self._reasons)
        if self._record is not None and (waited := self._record.queued - self._queued):
            self.span.set_attribute("dragoman.queue_ms", round(waited * 1000, 3))
        self.span.set_attribute("dragoman.outcome", outcome)
        if self._committed and error is not None and error.repeatable:
            self.span.add_event("retracted")
        failed = outcome in ("retryable", "fatal")
        reason = error.reason_name if error is not None else ""
        if (span := self._end(reason, failed=failed)) is not None:
            (self.kept.close if self._alone else self.kept.add)(span, failed=failed)

    def _note(self, event: v1.CompletionEvent) -> None:
        match event.WhichOneof("event"):
            case "delta" if not self._whole:
                self._note_piece()
            case "usage":
                self._usage = event.usage
            case "choice_finished":
                reason = v1.FinishReason.Name(event.choice_finished.finish_reason)
                self._reasons.append(reason.removeprefix("FINISH_REASON_").lower())
            case "started":
                self.span.set_attribute("gen_ai.response.id", event.started.completion)
                self.span.set_attribute("gen_ai.response.model", event.started.served_model)

    def _note_piece(self) -> None:
        now = time.perf_counter()
        if not self._begun:
            self._begun = True
            self.span.add_event("first_token")
            self.span.set_attribute("gen_ai.response.time_to_first_chunk", now - self._begin)
        elif now - self._alive >= self._pause:
            self._alive = now
            self.span.add_event("dragoman.alive")


def headers_of(context: SpanContext) -> dict[str, str]:
    """The headers that make a span the parent of those of an upstream."""
    flags = int(context.trace_flags)
    headers = {TRACEPARENT: f"00-{context.trace_id:032x}-{context.span_id:016x}-{flags:02x}"}
    if context.trace_state:
        headers[TRACESTATE] = context.trace_state.to_header()
    return headers


def _usage(usage: v1.Usage) -> Mapping[str, int]:
    values = {
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_input_tokens,
        "gen_ai.usage.cache_write.input_tokens": usage.cache_write_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
    }
    return {name: value for name, value in values.items() if value}
