"""The metrics for Prometheus. Labels are bounded by configuration: never a caller, a request id or free text."""

from __future__ import annotations

import platform
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

RPC = ("grpc_type", "grpc_service", "grpc_method")
MODEL = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_response_model")
RPC_SECONDS = tuple(0.005 * 2**n for n in range(18))  # 0.005 … 655
MODEL_SECONDS = tuple(0.01 * 2**n for n in range(14))
TOKENS = tuple(float(4**n) for n in range(14))
OVERHEAD_SECONDS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


class Metrics:
    """All series of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self._add_rpc(registry)
        self._add_model(registry)
        self._add_service(registry)
        self._add_operations(registry)

    def announce(self, kind: str, service: str, method: str) -> None:
        """Makes the series of a method known before it is called."""
        for counter in (self.started, self.received, self.sent):
            counter.labels(kind, service, method)
        self.handled.labels(kind, service, method, "OK")
        self.handling.labels(kind, service, method)

    def _add_rpc(self, registry: CollectorRegistry) -> None:
        self.started = Counter("grpc_server_started_total", "RPCs started.", RPC, registry=registry)
        self.handled = Counter("grpc_server_handled_total", "RPCs ended.", (*RPC, "grpc_code"), registry=registry)
        self.received = Counter("grpc_server_msg_received_total", "Messages received.", RPC, registry=registry)
        self.sent = Counter("grpc_server_msg_sent_total", "Messages sent.", RPC, registry=registry)
        self.handling = Histogram(
            "grpc_server_handling_seconds", "Time to serve an RPC.", RPC, buckets=RPC_SECONDS, registry=registry
        )

    def _add_model(self, registry: CollectorRegistry) -> None:
        prefix = "gen_ai_client"
        error, kind = (*MODEL, "error_type"), (*MODEL, "gen_ai_token_type")
        self.tokens = Histogram(
            f"{prefix}_token_usage", "Tokens a completion used.", kind, buckets=TOKENS, registry=registry
        )
        self.duration = self._seconds(f"{prefix}_operation_duration_seconds", "Time of a completion.", error)
        self.first_chunk = self._seconds(
            f"{prefix}_operation_time_to_first_chunk_seconds", "Time to the first piece of an answer.", error
        )
        self.per_chunk = self._seconds(
            f"{prefix}_operation_time_per_output_chunk_seconds", "Time between pieces of an answer.", error
        )
        self.embedded_first_token = self._seconds(
            "gen_ai_server_time_to_first_token_seconds", "Time to the embedded model's first token.", MODEL
        )
        self.embedded_per_token = self._seconds(
            "gen_ai_server_time_per_output_token_seconds", "Time between the embedded model's tokens.", MODEL
        )

    def _add_service(self, registry: CollectorRegistry) -> None:
        self.overhead = Histogram(
            "dragoman_overhead_seconds",
            "Our own time in a call, the provider's subtracted.",
            ("method",),
            buckets=OVERHEAD_SECONDS,
            registry=registry,
        )
        self.inflight = Gauge("dragoman_inflight", "Completions under way.", ("method", "phase"), registry=registry)
        self.rejected = Counter("dragoman_rejected_total", "Calls turned away.", ("reason",), registry=registry)
        self.attempts = Counter(
            "dragoman_provider_attempts_total",
            "Calls of a provider.",
            ("provider", "model", "outcome", "kind"),
            registry=registry,
        )
        self.stall = self._seconds("dragoman_stream_stall_seconds", "Time a stream waited for its reader.", ("method",))
        self.loop_lag = self._seconds("dragoman_event_loop_lag_seconds", "Delay of the event loop.", ())
        self.plugin_state = Gauge(
            "dragoman_plugin_state", "1 for the state a provider is in.", ("provider", "state"), registry=registry
        )
        self.log_dropped = Counter(
            "dragoman_log_dropped_total", "Log lines that could not be written.", registry=registry
        )
        build = Gauge("dragoman_build_info", "1; its labels tell the build.", ("version", "python"), registry=registry)
        build.labels(version("dragoman-service"), platform.python_version()).set(1)
        self.rejected.labels("draining")

    def _add_operations(self, registry: CollectorRegistry) -> None:
        self.operations = Gauge("dragoman_operations", "Operations in the store.", ("state",), registry=registry)
        self.operation_duration = Histogram(
            "dragoman_operation_duration_seconds",
            "Time from the last take-up of an operation to its end.",
            ("outcome",),
            buckets=RPC_SECONDS,
            registry=registry,
        )
        self.operation_queue = Histogram(
            "dragoman_operation_queue_seconds",
            "Time an operation waited for a worker.",
            ("outcome",),
            buckets=RPC_SECONDS,
            registry=registry,
        )

    def _seconds(self, name: str, text: str, labels: tuple[str, ...]) -> Histogram:
        return Histogram(name, text, labels, buckets=MODEL_SECONDS, registry=self.registry)
