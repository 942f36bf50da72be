"""Measures one completion: its metrics, and its fields of the log line."""

from __future__ import annotations

import time
from typing import Protocol

from dragoman import v1

from dragoman_service.contract import Call
from dragoman_service.telemetry.metrics import Metrics
from dragoman_service.telemetry.record import CallRecord

OPERATION = "chat"  # gen_ai.operation.name
OTHER = "other"


class Names(Protocol):
    """Classifies names of models."""

    def is_listed(self, name: str) -> bool:
        """Whether `name` is one of a bounded number of names."""
        ...

    def is_local(self, full_name: str) -> bool:
        """Whether the model runs on this machine."""
        ...


class CompletionMeter:
    """Measures one completion, from now until `close`.

    Requests for names that are not listed are counted under the full name of the model that answers: callers may
    invent any number of names that match a pattern, and each would become a series of its own.
    """

    def __init__(self, metrics: Metrics, names: Names, request: v1.CompletionRequest, call: Call) -> None:
        record = call.record if isinstance(call.record, CallRecord) else None
        self._metrics = metrics
        self._names = names
        self._request_model = request.model
        self._record = record
        self._call = call
        self._served: tuple[str, str] | None = None  # the provider and its model
        self._usage: v1.Usage | None = None
        self._deltas = 0
        self._finish_reason = ""
        self._begin = time.perf_counter()
        self._first: float | None = None
        self._last = self._begin
        self._method = record.method if record else "Operation"
        self._phase = metrics.inflight[self._method, "waiting_first_token"]
        self._phase.inc()
        if record is not None:
            record.model_requested = request.model
            record.underway = self.fill_record

    def record(self, event: v1.CompletionEvent) -> None:
        """Records one event."""
        match event.WhichOneof("event"):
            case "delta":
                self._deltas += 1
                self._last = time.perf_counter()
                if self._first is None:
                    self._record_first()
            case "usage":
                self._usage = event.usage
            case "choice_finished":
                self._finish_reason = v1.FinishReason.Name(event.choice_finished.finish_reason)
            case "started" if event.started.provider:  # none: a filter answers, and asks no provider
                self._served = event.started.provider, event.started.served_model

    def _record_first(self) -> None:
        self._first = self._last
        self._phase.dec()
        self._phase = self._metrics.inflight[self._method, "streaming"]
        self._phase.inc()
        if self._record is not None and not self._call.whole.asked:
            self._record.first_token = self._first - self._record.started

    def close(self, error: str) -> None:
        """Ends the measurement. `error` is the reason of a failure; CANCELLED: the caller left; empty: a success."""
        self._phase.dec()
        end, served = time.perf_counter(), self._served
        provider, served_model = served or (OTHER, OTHER)
        full_name = f"{provider}/{served_model}" if served else OTHER
        listed, local = self._names.is_listed(self._request_model), self._names.is_local(full_name)
        model = self._request_model if served and listed else full_name
        labels = (OPERATION, provider, model, served_model)
        self._observe_times(labels, error, end)
        if served is not None:
            self._observe_tokens(labels)
            if local:
                self._observe_local(labels)
        self.fill_record(end)

    def fill_record(self, end: float | None = None) -> None:
        """Fills in the log record. Only the first call does."""
        record, self._record = self._record, None
        if record is not None:
            record.underway = None
            self._fill(record, time.perf_counter() if end is None else end)

    def _observe_times(self, labels: tuple[str, ...], error: str, end: float) -> None:
        self._metrics.duration[*labels, error].observe(end - self._begin)
        if self._first is not None and not self._call.whole.asked:
            self._metrics.first_chunk[*labels, error].observe(self._first - self._begin)
            if self._deltas > 1:
                self._metrics.per_chunk[*labels, error].observe((self._last - self._first) / (self._deltas - 1))

    def _observe_tokens(self, labels: tuple[str, ...]) -> None:
        usage = self._usage
        self._metrics.input_tokens[labels].observe(usage.input_tokens if usage else 0)
        self._metrics.output_tokens[labels].observe(self._output_tokens())
        for part, counter in self._metrics.usage.items() if usage is not None else ():
            if count := getattr(usage, part):
                counter[labels].inc(count)

    def _observe_local(self, labels: tuple[str, ...]) -> None:
        if self._first is not None:
            self._metrics.local_first_token[labels].observe(self._first - self._begin)
            if self._deltas > 1:
                pace = (self._last - self._first) / (self._deltas - 1)
                self._metrics.local_per_token[labels].observe(pace)

    def _output_tokens(self) -> int:
        return max(self._usage.output_tokens if self._usage else 0, self._deltas)

    def _fill(self, record: CallRecord, end: float) -> None:
        record.upstream += end - self._begin
        record.output_tokens = self._output_tokens()
        record.input_tokens = self._usage.input_tokens if self._usage else 0
        record.finish_reason = self._finish_reason.removeprefix("FINISH_REASON_")
        if self._served is not None:
            record.provider, record.model_served = self._served
