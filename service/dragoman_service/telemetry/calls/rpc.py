"""Metrics of gRPC calls, named as go-grpc-middleware names them, and the end of each call over gRPC or HTTP."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import grpc
import structlog

from dragoman_service.telemetry import log
from dragoman_service.telemetry.metrics import Metrics
from dragoman_service.telemetry.record import CallRecord

if TYPE_CHECKING:  # an extra
    from dragoman_service.telemetry.traces.tracing import Tracing

OTHER = "other"


class CallEnding:
    """Counts what calls of both listeners have in common, and writes their log lines."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def end(self, record: CallRecord, code: grpc.StatusCode, elapsed: float) -> None:
        """Ends a call that took `elapsed` seconds. Fills the rest of `record` in."""
        if record.underway is not None:  # the caller left before the provider ended
            record.underway()
        if record.kind == "server_stream":
            self._metrics.stall[record.method].observe(record.stalled)
        if record.upstream:
            overhead = max(0.0, elapsed - record.upstream - record.stalled)
            self._metrics.overhead[record.method].observe(overhead)
        if record.reason == "SHUTTING_DOWN":
            self._metrics.rejected["draining"].inc()
        _log(record, code, elapsed)


class RpcTelemetry:
    """Measures, traces and logs all calls of the gRPC listener. `tracing` is None if there are no traces."""

    def __init__(self, metrics: Metrics, tracing: Tracing | None = None) -> None:
        self._metrics, self._tracing = metrics, tracing
        self._ending = CallEnding(metrics)

    def begin(self, record: CallRecord, metadata: Mapping[str, Any] | None = None) -> None:
        """Counts a call that has begun. Without its metadata it has no span."""
        if self._tracing is not None and metadata is not None:
            self._tracing.begin_rpc(record, metadata)
        self._metrics.started[record.kind, record.service, record.method].inc()

    def end(self, record: CallRecord, code: grpc.StatusCode) -> None:
        """Counts a call that has ended with `code`, and writes its log line."""
        elapsed = time.perf_counter() - record.started
        labels = (record.kind, record.service, record.method)
        self._metrics.handled[*labels, code_name(code)].inc()
        self._metrics.handling[labels].observe(elapsed)
        if record.received:
            self._metrics.received[labels].inc(record.received)
        if record.sent:
            self._metrics.sent[labels].inc(record.sent)
        self._ending.end(record, code, elapsed)
        if self._tracing is not None:
            self._tracing.end_rpc(record, code)

    def unknown_method(self) -> None:
        """Counts a call of an unknown method as `other`: its name is the caller's text and must not become a label."""
        self._metrics.started[OTHER, OTHER, OTHER].inc()
        self._metrics.handled[OTHER, OTHER, OTHER, code_name(grpc.StatusCode.UNIMPLEMENTED)].inc()


def _log(record: CallRecord, code: grpc.StatusCode, elapsed: float) -> None:
    facts = {
        "call_id": record.call_id,
        "caller": record.caller,
        "service": record.service,
        "method": record.method,
        "code": code_name(code),
        "reason": record.reason,
        "duration_ms": round(elapsed * 1000, 3),
        "ttft_ms": record.first_token and round(record.first_token * 1000, 3),
        "provider": record.provider,
        "model_requested": record.model_requested[:128],
        "model_served": record.model_served,
        "left_out": record.left_out[:512],
        "attempts": record.attempts,
        "skipped": record.skipped[:16],
        "session": record.session,
        "operation": record.operation,
        "input_tokens": record.input_tokens,
        "output_tokens": record.output_tokens,
        "finish_reason": record.finish_reason,
        "peer": record.peer,
        "user_agent": record.user_agent[:256],
        "hops": record.hops,
        "deadline_ms": record.deadline and round(record.deadline * 1000),
        "cancelled_by": record.cancelled_by,
        "queued_ms": record.queued and round(record.queued * 1000, 3),
        "band": record.band,
        "shed": record.shed,
        "limit": record.limit,
        "reserved": record.reserved,
        "cost_nano_usd": record.cost_nano_usd,
        "estimated": record.estimated,
    }
    told = {key: value for key, value in facts.items() if value}
    if record.trace is not None:
        told["trace_id"] = record.trace.id
    if record.routine:
        structlog.get_logger().debug("rpc.done", **told)
    else:
        log.info("rpc.done", told)


@cache
def code_name(code: grpc.StatusCode) -> str:
    """Returns the name of a code as go-grpc-middleware writes it: OK, DeadlineExceeded, NotFound."""
    return code.name if code is grpc.StatusCode.OK else code.name.title().replace("_", "")


def kind_of(request_streaming: bool, response_streaming: bool) -> str:
    """Returns the type of an RPC, as go-grpc-middleware writes it: `unary` or `server_stream`, for instance."""
    if request_streaming:
        return "bidi_stream" if response_streaming else "client_stream"
    return "server_stream" if response_streaming else "unary"
