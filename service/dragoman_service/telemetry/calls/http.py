"""Metrics of HTTP calls, by the conventions of OpenTelemetry in the form that Prometheus gives them."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import grpc

from dragoman_service.telemetry.calls.rpc import OTHER, CallEnding
from dragoman_service.telemetry.metrics import Metrics
from dragoman_service.telemetry.record import CallRecord

if TYPE_CHECKING:  # an extra
    from dragoman_service.telemetry.traces.tracing import Tracing

UNKNOWN_METHOD = "_OTHER"  # as the conventions call it
SCHEME = "http"  # of the listener; TLS ends at a proxy
METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
LEFT = "CANCELLED"
"""The error type of a call whose caller left."""
_PATTERN = re.compile(r"\{([^{}:]+):[^{}]*\}")  # of a parameter with a pattern


class HttpTelemetry:
    """Measures, traces and logs all calls of the HTTP listener. `tracing` is None if there are no traces."""

    def __init__(self, metrics: Metrics, tracing: Tracing | None = None) -> None:
        self._metrics, self._tracing = metrics, tracing
        self._ending = CallEnding(metrics)

    def begin(self, record: CallRecord, headers: Mapping[str, Any], *, verb: str, route: str) -> None:
        """Counts a call that has begun. `route` is from `route_of`."""
        if self._tracing is not None:
            self._tracing.begin_http(record, headers, verb, route)
        self._metrics.http_active[record.service, verb, SCHEME].inc()

    def end(self, record: CallRecord, code: grpc.StatusCode, *, verb: str, route: str, status: int) -> None:
        """Counts a call that has ended with `code`, and writes its log line. `status` is 0 without a response."""
        elapsed = time.perf_counter() - record.started
        self._metrics.http_active[record.service, verb, SCHEME].dec()
        error = LEFT if code is grpc.StatusCode.CANCELLED else record.reason
        labels = (record.service, verb, route, str(status or ""), error, SCHEME)
        self._metrics.http_duration[labels].observe(elapsed)
        self._ending.end(record, code, elapsed)
        if self._tracing is not None:
            self._tracing.end_http(record, code, status)

    def unmatched(self, verb: str, status: int, elapsed: float) -> None:
        """Counts a request that reaches no route as `other`, because its path is the caller's text."""
        known = verb if verb in METHODS else UNKNOWN_METHOD
        self._metrics.http_duration[OTHER, known, "", str(status), str(status), SCHEME].observe(elapsed)


def create_http_series(metrics: Metrics, dialect: str, verb: str, route: str) -> None:
    """Creates the series of a route before it is called, so that rates start at zero."""
    metrics.http_active[dialect, verb, SCHEME]
    metrics.http_duration[dialect, verb, route, "200", "", SCHEME]


def route_of(path: str) -> str:
    """`path` without the patterns of its parameters: `/v1/models/{id}`."""
    return _PATTERN.sub(r"{\1}", path)
