"""The panels of the dashboard: what each asks Prometheus."""

from __future__ import annotations

import re
from typing import NamedTuple

JOB = 'job=~"$job"'
WINDOW = "$__rate_interval"
MODEL = "gen_ai_request_model"
INFERENCE = "gen_ai_client_inference"
LOCAL = "gen_ai_server_time"
RPCS = "grpc_server_handled_total"
HTTP = "http_server_request_duration_seconds"
CALLS = 'grpc_service!~"grpc[.].*"'  # no probes, no reflection
FAULTS = 'grpc_code=~"Unknown|Internal|Unavailable|DataLoss|DeadlineExceeded"'


class Line(NamedTuple):
    """A query, and the legend of its series."""

    query: str
    legend: str


class Panel(NamedTuple):
    """A graph, or a single figure (`stat`). `text` explains it."""

    title: str
    unit: str
    lines: tuple[Line, ...]
    text: str
    kind: str


def graph(title: str, unit: str, *lines: Line, text: str = "", kind: str = "timeseries") -> Panel:
    return Panel(title, unit, lines, text, kind)


def gauge(metric: str, by: str, how: str = "sum", more: str = "") -> Line:
    return Line(f"{how} by ({by}) ({metric}{{{_where('')}}}){more}", _legend(by))


def rate(metric: str, by: str, where: str = "") -> Line:
    return Line(f"sum by ({by}) (rate({metric}{{{_where(where)}}}[{WINDOW}]))", _legend(by))


def increase(metric: str, by: str) -> Line:
    return Line(f"sum by ({by}) (increase({metric}{{{JOB}}}[1h]))", _legend(by))


def quantile(share: float, metric: str, by: str = "", where: str = "") -> Line:
    labels = f"le, {by}" if by else "le"
    query = f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{{{_where(where)}}}[{WINDOW}])))"
    return Line(query, f"{_legend(by)} p{share * 100:g}".strip())


def quantiles(metric: str, by: str = "", where: str = "") -> tuple[Line, ...]:
    """Median, p95 and p99."""
    return tuple(quantile(share, metric, by, where) for share in (0.5, 0.95, 0.99))


def total(*parts: str) -> str:
    """The sum of the rates of counters, each 0 if it has no series."""
    return "(" + " + ".join(f"(sum(rate({part}[{WINDOW}])) or vector(0))" for part in parts) + ")"


def hourly(line: Line) -> Line:
    return line._replace(query=f"3600 * {line.query}")


def _where(more: str) -> str:
    return f"{JOB}, {more}" if more else JOB


def _legend(by: str) -> str:
    return re.sub(r"(\w+),?", r"{{\1}}", by)


_ALL = total(f"{RPCS}{{{JOB}, {CALLS}}}", f"{HTTP}_count{{{JOB}}}")
_FAILED = total(
    f"{RPCS}{{{JOB}, {CALLS}, {FAULTS}}}",
    f'{HTTP}_count{{{JOB}, http_response_status_code=~"5.."}}',
    f'{HTTP}_count{{{JOB}, http_response_status_code="200", error_type!~"|CANCELLED|STALLED_READER"}}',
)
_GLANCE = (
    graph("Calls", "reqps", Line(_ALL, "calls"), text="gRPC and HTTP, without probes.", kind="stat"),
    graph("Calls that failed", "percentunit", Line(f"{_FAILED} / {_ALL}", "failed"), kind="stat"),
    graph("First token, p95", "s", quantile(0.95, f"{INFERENCE}_time_to_first_chunk_seconds"), kind="stat"),
)
_TRAFFIC = (
    graph("gRPC calls", "reqps", rate(RPCS, "grpc_method", CALLS)),
    graph("gRPC calls that failed", "reqps", rate(RPCS, "grpc_code", f'{CALLS}, grpc_code!="OK"')),
    graph("gRPC duration", "s", *quantiles("grpc_server_handling_seconds", where=CALLS)),
    graph("HTTP requests", "reqps", rate(f"{HTTP}_count", "dialect")),
    graph(
        "HTTP requests that failed",
        "reqps",
        rate(f"{HTTP}_count", "dialect, http_response_status_code, error_type", 'error_type!=""'),
        text="A stream that fails after its beginning has status 200.",
    ),
    graph("HTTP duration", "s", *quantiles(HTTP, "dialect")),
    graph("HTTP requests under way", "short", gauge("http_server_active_requests", "dialect")),
    graph("Completions under way", "short", gauge("dragoman_inflight", "phase")),
    graph(
        "Time in the service itself",
        "s",
        *quantiles("dragoman_overhead_seconds"),
        text="Without waiting for providers and readers.",
    ),
)
_MODELS = (
    graph("Completions", "reqps", rate(f"{INFERENCE}_duration_seconds_count", MODEL)),
    graph(
        "Completions that failed", "reqps", rate(f"{INFERENCE}_duration_seconds_count", "error_type", 'error_type!=""')
    ),
    graph("Time of a completion", "s", *quantiles(f"{INFERENCE}_duration_seconds", MODEL)),
    graph("First token", "s", *quantiles(f"{INFERENCE}_time_to_first_chunk_seconds", MODEL)),
    graph("Between pieces", "s", *quantiles(f"{INFERENCE}_time_per_output_chunk_seconds", MODEL)),
    graph("Input tokens a second", "short", rate(f"{INFERENCE}_usage_input_tokens_total", MODEL)),
    graph("Output tokens a second", "short", rate(f"{INFERENCE}_usage_output_tokens_total", MODEL)),
    graph("Models on this machine: first token", "s", *quantiles(f"{LOCAL}_to_first_token_seconds")),
    graph("Models on this machine: each token", "s", *quantiles(f"{LOCAL}_per_output_token_seconds")),
    graph("Streams that wait for their readers", "s", quantile(0.99, "dragoman_stream_stall_seconds", "method")),
)
_PROVIDERS = (
    graph("Attempts", "reqps", rate("dragoman_provider_attempts_total", "provider, outcome")),
    graph("Attempts that failed", "reqps", rate("dragoman_provider_errors_total", "provider, reason")),
    graph(
        "Breakers",
        "short",
        gauge("dragoman_target_state", "provider, model", "max"),
        text="0 closed, 1 half open, 2 open.",
    ),
    graph("Retries, fallbacks, hedges", "reqps", rate("dragoman_provider_attempts_total", "kind", 'kind!="first"')),
    graph("Ends of hedges", "reqps", rate("dragoman_hedges_total", "outcome")),
    graph("Attempts that a retry budget refused", "reqps", rate("dragoman_retries_refused_total", "provider, model")),
    graph("Targets left out", "reqps", rate("dragoman_route_skipped_total", "provider, reason")),
    graph("Time lost to failed attempts", "s", *quantiles("dragoman_time_lost_seconds")),
    graph("Attempts that did not close", "reqps", rate("dragoman_attempts_abandoned_total", "provider")),
)
_QUEUES = (
    graph("Waiting for a slot", "short", gauge("dragoman_queue_length", "model, band")),
    graph("Wait for a slot", "s", quantile(0.95, "dragoman_queue_wait_seconds", "model, outcome")),
    graph("Slots in use", "short", gauge("dragoman_concurrency_used", "provider, model")),
    graph("Slots", "short", gauge("dragoman_concurrency_limit", "provider, model")),
    graph("Calls refused", "reqps", rate("dragoman_rejected_total", "reason")),
    graph("Wait inside gRPC", "s", gauge("dragoman_grpc_wait_seconds", "instance", "max")),
)
_COST = (
    graph("US dollars an hour", "currencyUSD", hourly(rate("dragoman_cost_usd_total", "provider, model"))),
    graph(
        "Used part of the budgets of teams", "percentunit", gauge("dragoman_budget_used_ratio", "team, limit", "max")
    ),
    graph(
        "Refused by limits",
        "reqps",
        rate("dragoman_rejected_total", "reason", 'reason=~"requests|tokens|cost|unavailable"'),
    ),
    graph(
        "Would be refused",
        "reqps",
        rate("dragoman_limit_refusals_shadow_total", "unit"),
        text="By limits that are not enforced.",
    ),
    graph("Store of limits", "s", quantile(0.99, "dragoman_limit_store_seconds", "op")),
    graph("Attempts not in the ledger yet", "short", gauge("dragoman_usage_unsettled", "instance")),
    graph("Attempts without a price", "reqps", rate("dragoman_unpriced_attempts_total", "provider, model")),
)
_OPERATIONS = (
    graph("Operations", "short", gauge("dragoman_operations", "state", "max")),
    graph("Age of the oldest queued one", "s", gauge("dragoman_operations_oldest_queued_seconds", "job", "max")),
    graph("Time in the queue", "s", *quantiles("dragoman_operation_queue_seconds")),
    graph("Time of a run", "s", *quantiles("dragoman_operation_duration_seconds")),
    graph("Ends", "reqps", rate("dragoman_operation_duration_seconds_count", "outcome")),
    graph("Handed to other servers in an hour", "short", increase("dragoman_operations_handed_back_total", "instance")),
    graph("Store can be used", "short", gauge("dragoman_operations_store_up", "instance", "min")),
    graph("Connections to the store", "short", gauge("dragoman_store_connections", "state")),
    graph("Reconnects to the store in an hour", "short", increase("dragoman_store_reconnects_total", "instance")),
)
_WORKERS = (
    graph("Workers", "short", gauge("dragoman_workers", "instance")),
    graph("Processes that share the store", "short", gauge("dragoman_workers_live", "instance", "max")),
    graph("Step of the store's tables", "short", gauge("dragoman_schema_version", "instance", "max")),
    graph("Restarts of workers in an hour", "short", increase("dragoman_worker_restarts_total", "instance")),
    graph("Restarts of listeners in an hour", "short", increase("dragoman_listener_restarts_total", "listener")),
    graph("Lag of the event loop", "s", *quantiles("dragoman_event_loop_lag_seconds")),
    graph("Log lines dropped", "short", rate("dragoman_log_dropped_total", "instance"), text="Each second."),
    graph("Spans dropped", "short", rate("dragoman_spans_dropped_total", "instance"), text="Each second."),
    graph("State of providers", "short", gauge("dragoman_plugin_state", "provider, state", "max")),
    graph(
        "Certificate expires in",
        "s",
        gauge("dragoman_tls_certificate_expiry_timestamp_seconds", "instance", "min", more=" - time()"),
    ),
    graph("Builds", "short", gauge("dragoman_build_info", "version, python", "count")),
)
ROWS = (
    ("At a glance", _GLANCE),
    ("Traffic", _TRAFFIC),
    ("Models", _MODELS),
    ("Providers", _PROVIDERS),
    ("Queues and refusals", _QUEUES),
    ("Cost and limits", _COST),
    ("Operations", _OPERATIONS),
    ("Workers", _WORKERS),
)
