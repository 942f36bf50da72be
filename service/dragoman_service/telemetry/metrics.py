"""The Prometheus metrics. The settings bound the values of every label: no caller, call id or free text is one."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Literal, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from dragoman_service.telemetry import names
from dragoman_service.telemetry.names import Named, Semconv

M = TypeVar("M", Counter, Gauge, Histogram)
Sum = Literal["livesum", "livemax", "livemin", "livemostrecent"]
"""How the gauges of several workers are combined. Workers that have ended do not count."""
RPC = ("grpc_type", "grpc_service", "grpc_method")
HTTP = ("http_request_method", "url_scheme")
MODEL = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_response_model")
RPC_SECONDS = tuple(0.005 * 2**n for n in range(18))  # 0.005 … 655
MODEL_SECONDS = tuple(0.01 * 2**n for n in range(14))
TOKENS = tuple(float(4**n) for n in range(14))
OVERHEAD_SECONDS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


class Family(dict[str | tuple[str, ...], M]):
    """The series of one metric, by the value of its label or the values of its labels in order.

    A dictionary, because looking a series up in the library costs more than counting does.
    """

    def __init__(self, metric: M) -> None:
        super().__init__()
        self._metric: M = metric

    def __missing__(self, values: str | tuple[str, ...]) -> M:
        series = self[values] = self._metric.labels(*((values,) if isinstance(values, str) else values))
        return series


class Metrics:
    """All series of one process, in a registry of their own.

    With `folder` the process is one of several workers that write to it, see `telemetry.workers`. Then `registry` has
    the sums over all workers, and no series about a single process. `semconv` says which names metrics of models have.
    """

    def __init__(self, folder: Path | None = None, semconv: Semconv = "both") -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.own: CollectorRegistry | None = self.registry if folder is None else None
        """Where metrics are created. None in a worker: `registry` reads the metrics of all workers from files."""
        if folder is None:
            ProcessCollector(registry=self.registry)
            PlatformCollector(registry=self.registry)
            GCCollector(registry=self.registry)
        else:
            self.registry.register(Named(MultiProcessCollector(None, str(folder)), semconv))  # type: ignore[no-untyped-call]
        self._add_rpc()
        self._add_http()
        self._add_model(semconv)
        self._add_service()
        self._add_admission()
        self._add_limits()
        self._add_routes()
        self._add_operations()
        self._add_store()

    def create(self, kind: str, service: str, method: str) -> None:
        """Creates the series of a method before it is called, so that rates start at zero."""
        for counter in (self.started, self.received, self.sent):
            counter[kind, service, method]
        self.handled[kind, service, method, "OK"]
        self.handling[kind, service, method]
        if kind == "server_stream":
            self.stall[method]

    def _add_rpc(self) -> None:
        self.started = self._counter("grpc_server_started_total", "RPCs started.", *RPC)
        self.handled = self._counter("grpc_server_handled_total", "RPCs ended.", *RPC, "grpc_code")
        self.received = self._counter("grpc_server_msg_received_total", "Messages received.", *RPC)
        self.sent = self._counter("grpc_server_msg_sent_total", "Messages sent.", *RPC)
        self.handling = self._histogram("grpc_server_handling_seconds", "Time to serve an RPC.", RPC_SECONDS, *RPC)

    def _add_http(self) -> None:
        self.http_active = self._gauge(
            "http_server_active_requests", "HTTP requests under way.", "livesum", "dialect", *HTTP
        )
        self.http_duration = self._histogram(
            "http_server_request_duration_seconds",
            "Time to serve an HTTP request.",
            RPC_SECONDS,
            "dialect",
            "http_request_method",
            "http_route",
            "http_response_status_code",
            "error_type",
            "url_scheme",
        )

    def _add_model(self, semconv: Semconv) -> None:
        error, registry = (*MODEL, "error_type"), None
        if self.own is not None:
            registry = CollectorRegistry()
            self.own.register(Named(registry, semconv))

        def histogram(name: str, text: str, buckets: tuple[float, ...], labels: tuple[str, ...]) -> Family[Histogram]:
            return Family(Histogram(name, text, labels, buckets=buckets, registry=registry))

        self.input_tokens = histogram(names.INPUT_TOKENS, "Tokens of the prompts.", TOKENS, MODEL)
        self.output_tokens = histogram(names.OUTPUT_TOKENS, "Tokens of the answers.", TOKENS, MODEL)
        self.duration = histogram(names.DURATION, "Time of a completion.", MODEL_SECONDS, error)
        first = "Time to the first piece of an answer."
        self.first_chunk = histogram(names.FIRST_CHUNK, first, MODEL_SECONDS, error)
        self.per_chunk = histogram(names.PER_CHUNK, "Time between pieces.", MODEL_SECONDS, error)
        self.usage = {
            field: Family(Counter(name, text, MODEL, registry=registry)) for field, (name, text) in names.USAGE.items()
        }
        server = "gen_ai_server"
        self.local_first_token = self._histogram(
            f"{server}_time_to_first_token_seconds", "Time to a local model's first token.", MODEL_SECONDS, *MODEL
        )
        self.local_per_token = self._histogram(
            f"{server}_time_per_output_token_seconds", "Time between a local model's tokens.", MODEL_SECONDS, *MODEL
        )

    def _add_service(self) -> None:
        self.overhead = self._histogram(
            "dragoman_overhead_seconds", "Time of a call spent in the service itself.", OVERHEAD_SECONDS, "method"
        )
        self.inflight = self._gauge("dragoman_inflight", "Completions under way.", "livesum", "method", "phase")
        self.rejected = self._counter("dragoman_rejected_total", "Calls refused.", "reason")
        self.listener_restarts = self._counter(
            "dragoman_listener_restarts_total", "Times that a listener failed and was replaced.", "listener"
        )
        self.attempts = self._counter(
            "dragoman_provider_attempts_total", "Calls of a provider.", "provider", "model", "outcome", "kind"
        )
        self.stall = self._histogram(
            "dragoman_stream_stall_seconds", "Time a stream waited for its caller to read.", MODEL_SECONDS, "method"
        )
        self.loop_lag = Histogram(
            "dragoman_event_loop_lag_seconds", "Delay of the event loop.", buckets=MODEL_SECONDS, registry=self.own
        )
        self.grpc_wait = Gauge(
            "dragoman_grpc_wait_seconds",
            "Time that a gRPC call waits until the service takes it.",
            registry=self.own,
            multiprocess_mode="livemax",
        )
        self.plugin_state = self._gauge(
            "dragoman_plugin_state", "1 for the current state of a provider.", "livemax", "provider", "state"
        )
        self.log_dropped = Counter("dragoman_log_dropped_total", "Log lines dropped.", registry=self.own)
        self.spans_dropped = Counter("dragoman_spans_dropped_total", "Spans of traces dropped.", registry=self.own)
        self._add_process()

    def _add_process(self) -> None:
        build = self._gauge("dragoman_build_info", "1; the labels describe the build.", "livemax", "version", "python")
        build[version("dragoman-service"), platform.python_version()].set(1)
        workers = Gauge("dragoman_workers", "Worker processes.", registry=self.own, multiprocess_mode="livesum")
        workers.set(1)
        self.worker_restarts = Counter(
            "dragoman_worker_restarts_total", "Times that a worker was started again.", registry=self.own
        )
        self.certificate_expiry = self._gauge(
            "dragoman_tls_certificate_expiry_timestamp_seconds", "When the certificate expires.", "livemin", "listener"
        )
        self.rejected["draining"]
        self.rejected["overloaded"]
        self.listener_restarts["grpc"]

    def _add_admission(self) -> None:
        self.queue_length = self._gauge(
            "dragoman_queue_length", "Requests that wait for a slot.", "livesum", "model", "band"
        )
        self.queue_wait = self._histogram(
            "dragoman_queue_wait_seconds",
            "Time that requests waited for a slot.",
            RPC_SECONDS,
            "model",
            "band",
            "outcome",
        )
        self.concurrency_limit = self._gauge(
            "dragoman_concurrency_limit", "The most requests under way.", "livesum", "provider", "model"
        )
        self.concurrency_used = self._gauge(
            "dragoman_concurrency_used", "Requests under way in slots.", "livesum", "provider", "model"
        )

    def _add_limits(self) -> None:
        self.limits_shadow = self._counter(
            "dragoman_limit_refusals_shadow_total", "Calls that a limit would have refused if it were enforced.", "unit"
        )
        self.limit_store = self._histogram(
            "dragoman_limit_store_seconds", "Time that the store of limits took.", OVERHEAD_SECONDS, "op"
        )
        self.unsettled = Gauge(
            "dragoman_usage_unsettled",
            "Attempts that are not in the ledger of usage yet.",
            registry=self.own,
            multiprocess_mode="livesum",
        )
        self.cost = self._counter("dragoman_cost_usd_total", "What attempts cost.", "provider", "model")
        self.unpriced = self._counter(
            "dragoman_unpriced_attempts_total", "Attempts without a price.", "provider", "model"
        )
        self.budget_used = self._gauge(
            "dragoman_budget_used_ratio", "Used part of the budgets of teams.", "livemostrecent", "team", "limit"
        )

    def _add_routes(self) -> None:
        target = ("provider", "model")
        self.target_state = self._gauge(
            "dragoman_target_state", "Breaker of a target: 0 closed, 1 half open, 2 open.", "livemax", *target
        )
        self.attempt_errors = self._counter(
            "dragoman_provider_errors_total", "Attempts that failed.", *target, "reason"
        )
        self.route_skipped = self._counter(
            "dragoman_route_skipped_total", "Targets left out of plans.", *target, "reason"
        )
        self.retries_refused = self._counter(
            "dragoman_retries_refused_total", "Attempts that a retry budget did not allow.", *target
        )
        self.abandoned = self._counter(
            "dragoman_attempts_abandoned_total", "Attempts whose provider did not close in time.", *target
        )
        self.time_lost = self._histogram(
            "dragoman_time_lost_seconds", "Time that failed attempts took from a call.", MODEL_SECONDS, "model"
        )
        self.hedges = self._counter("dragoman_hedges_total", "Hedges.", "outcome")

    def _add_operations(self) -> None:
        self.operations = self._gauge("dragoman_operations", "Operations in the store.", "livemostrecent", "state")
        self.oldest_queued = Gauge(
            "dragoman_operations_oldest_queued_seconds",
            "Time since the oldest queued operation was created.",
            registry=self.own,
            multiprocess_mode="livemostrecent",
        )
        self.handed_back = Counter(
            "dragoman_operations_handed_back_total", "Operations that drains have given back.", registry=self.own
        )
        self.operation_duration = self._histogram(
            "dragoman_operation_duration_seconds",
            "Time from the last start to the end of an operation.",
            RPC_SECONDS,
            "outcome",
        )
        self.operation_queue = self._histogram(
            "dragoman_operation_queue_seconds", "Time an operation waited for a worker.", RPC_SECONDS, "outcome"
        )

    def _add_store(self) -> None:
        self.store_up = Gauge(
            "dragoman_operations_store_up",
            "Whether the store of operations can be used: 1 or 0.",
            registry=self.own,
            multiprocess_mode="livemin",
        )
        self.store_up.set(1)
        self.workers_live = Gauge(
            "dragoman_workers_live",
            "Processes on all hosts that share the store.",
            registry=self.own,
            multiprocess_mode="livemostrecent",
        )
        self.schema_version = Gauge(
            "dragoman_schema_version",
            "Step of the store's tables; 0 without tables.",
            registry=self.own,
            multiprocess_mode="livemax",
        )
        self.store_connections = self._gauge(
            "dragoman_store_connections", "Connections of pools to the store's server.", "livesum", "state"
        )
        for state in ("used", "idle"):
            self.store_connections[state].set(0)
        self.store_reconnects = Counter(
            "dragoman_store_reconnects_total",
            "Attempts to connect to the store's server that followed a failed one.",
            registry=self.own,
        )

    def _counter(self, name: str, text: str, *labels: str) -> Family[Counter]:
        return Family(Counter(name, text, labels, registry=self.own))

    def _gauge(self, name: str, text: str, over_all: Sum, *labels: str) -> Family[Gauge]:
        return Family(Gauge(name, text, labels, registry=self.own, multiprocess_mode=over_all))

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Family[Histogram]:
        return Family(Histogram(name, text, labels, buckets=buckets, registry=self.own))
