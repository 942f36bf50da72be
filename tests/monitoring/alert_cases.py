"""When each alert fires, and when it does not, as series for `promtool test rules`."""

from __future__ import annotations

from typing import Any, NamedTuple


class Case(NamedTuple):
    """An alert that `fires` for some series at a minute, and not for the `quiet` ones."""

    alert: str
    minute: int
    fires: dict[str, str]
    quiet: dict[str, str]
    labels: dict[str, str]
    summary: str


def _calls(failed: int) -> dict[str, str]:
    """600 calls a minute that succeed, and some that fail, half of them over HTTP."""
    http = "http_server_request_duration_seconds_count"
    return {
        'grpc_server_handled_total{job="d",grpc_service="dragoman.v1.CompletionService",grpc_code="OK"}': "0+300x120",
        'grpc_server_handled_total{job="d",grpc_service="grpc.health.v1.Health",grpc_code="OK"}': "0+90000x120",
        f'{http}{{job="d",http_response_status_code="200",error_type=""}}': "0+300x120",
        f'{http}{{job="d",http_response_status_code="404",error_type="MODEL_NOT_FOUND"}}': "0+0x120",
        'grpc_server_handled_total{job="d",grpc_service="dragoman.v1.ModelService",grpc_code="Internal"}': (
            f"0+{failed // 2}x120"
        ),
        f'{http}{{job="d",http_response_status_code="503",error_type="OVERLOADED"}}': f"0+{failed // 4}x120",
        f'{http}{{job="d",http_response_status_code="200",error_type="PROVIDER_IDLE"}}': f"0+{failed // 4}x120",
    }


def _buckets(metric: str, labels: str, bounds: tuple[str, str], *, low: bool) -> dict[str, str]:
    """60 observations a minute in the lower or in the upper of two buckets."""
    first, second = bounds
    return {
        f'{metric}_bucket{{{labels},le="{first}"}}': f"0+{60 if low else 0}x60",
        f'{metric}_bucket{{{labels},le="{second}"}}': "0+60x60",
        f'{metric}_bucket{{{labels},le="+Inf"}}': "0+60x60",
    }


def _case(alert: str, minute: int, series: str, fires: str, quiet: str, labels: str, summary: str) -> Case:
    """A case of one series that has other values if the alert does not fire."""
    return Case(alert, minute, {series: fires}, {series: quiet}, _parsed(labels), summary)


def _other(alert: str, minute: int, series: str, other: str, values: str, labels: str, summary: str) -> Case:
    """A case of one series that has another label if the alert does not fire."""
    return Case(alert, minute, {series: values}, {other: values}, _parsed(labels), summary)


def _parsed(labels: str) -> dict[str, str]:
    return dict(label.split("=") for label in labels.split())


AT, TARGET = 'job="d",instance="i"', 'job="d",provider="p",model="m"'
FIRST, LAG = "gen_ai_client_inference_time_to_first_chunk_seconds", "dragoman_event_loop_lag_seconds"
ASKED = f'{FIRST.replace("time_to_first_chunk", "duration")}_count{{job="d",error_type="%s"}}'
ERRORS, REJECTED = 'dragoman_provider_errors_total{job="d",provider="p",reason="%s"}', "dragoman_rejected_total"
BUDGET = 'dragoman_budget_used_ratio{job="d",team="t",limit="cost/month"}'
EXPIRY = f"dragoman_tls_certificate_expiry_timestamp_seconds{{{AT}}}"
BY = "job=d instance=i"
NEAR = "Team t has used {} of cost/month."


def _refused(reason: str) -> str:
    return f'{REJECTED}{{job="d",reason="{reason}"}}'


CASES = (
    Case("DragomanAbsent", 10, {}, {'dragoman_build_info{job="d"}': "1x20"}, {}, "No Dragoman service is scraped."),
    Case(
        "DragomanErrorRatio",
        60,
        _calls(60),
        _calls(40),
        {"job": "d"},
        "9.091% of the calls of d failed in the last hour.",
    ),
    Case(
        "DragomanErrorRatioSlow",
        60,
        _calls(24),
        _calls(12),
        {"job": "d"},
        "3.846% of the calls of d failed in the last six hours.",
    ),
    Case(
        "DragomanFirstTokenSlow",
        40,
        _buckets(FIRST, 'job="d",gen_ai_request_model="m"', ("10.24", "20.48"), low=False),
        _buckets(FIRST, 'job="d",gen_ai_request_model="m"', ("10.24", "20.48"), low=True),
        {"job": "d", "gen_ai_request_model": "m"},
        "m begins to answer after 19.97s (p95).",
    ),
    _case(
        "DragomanProviderDown",
        5,
        f"dragoman_target_state{{{TARGET}}}",
        "2x10",
        "1x10",
        "job=d provider=p model=m",
        "The breaker of p/m is open.",
    ),
    _other(
        "DragomanAllTargetsDown",
        10,
        ASKED % "NO_PROVIDER_AVAILABLE",
        ASKED % "PROVIDER_TIMEOUT",
        "0+6x20",
        "job=d",
        "Completions fail because no target of their model can be asked.",
    ),
    _other(
        "DragomanCredentialsRefused",
        5,
        ERRORS % "PROVIDER_CREDENTIALS",
        ERRORS % "PROVIDER_UNAVAILABLE",
        "0 0 1x10",
        "job=d provider=p",
        "p refuses the credentials or the account of Dragoman.",
    ),
    _case(
        "DragomanRetryBudgetEmpty",
        20,
        f"dragoman_retries_refused_total{{{TARGET}}}",
        "0+1x30",
        "0x5 3x30",
        "job=d provider=p",
        "p fails so often that requests are not tried again.",
    ),
    _other(
        "DragomanQueueShedding",
        15,
        _refused("queue_full"),
        _refused("requests"),
        "0+60x20",
        "job=d",
        "d refuses 1 calls a second for want of room.",
    ),
    _case("DragomanBudgetNear", 2, BUDGET, "0.85x5", "0.97x5", "job=d team=t limit=cost/month", NEAR.format("85%")),
    _case(
        "DragomanBudgetAlmostUsed", 2, BUDGET, "0.97x5", "0.9x5", "job=d team=t limit=cost/month", NEAR.format("97%")
    ),
    _case(
        "DragomanUsageUnsettled",
        15,
        f"dragoman_usage_unsettled{{{AT}}}",
        "60x20",
        "60x10 0x10",
        BY,
        "60 attempts of i are not in the ledger.",
    ),
    _other(
        "DragomanLimitsUnavailable",
        10,
        _refused("unavailable"),
        _refused("tokens"),
        "0+60x20",
        "job=d",
        "Calls are refused because the store of limits cannot be used.",
    ),
    _case(
        "DragomanOperationsOldestQueued",
        10,
        'dragoman_operations_oldest_queued_seconds{job="d"}',
        "400x20",
        "100x20",
        "job=d",
        "An operation of d has been queued for 6m 40s.",
    ),
    _case(
        "DragomanStoreDown",
        5,
        f"dragoman_operations_store_up{{{AT}}}",
        "0x10",
        "1x10",
        BY,
        "i cannot use the store of operations.",
    ),
    _case(
        "DragomanWorkerRestarts",
        15,
        f"dragoman_worker_restarts_total{{{AT}}}",
        "0+1x20",
        "0x10 1x10",
        BY,
        "Workers of i ended 15 times in 15 minutes.",
    ),
    Case(
        "DragomanLoopLag",
        20,
        _buckets(LAG, AT, ("0.16", "0.64"), low=False),
        _buckets(LAG, AT, ("0.16", "0.64"), low=True),
        {"job": "d", "instance": "i"},
        "The event loop of i is 635.2ms late (p99).",
    ),
    _case(
        "DragomanCertificateExpires",
        90,
        EXPIRY,
        "432000x120",
        "864000x120",
        BY,
        "The certificate of i expires in 4d 22h 30m 0s.",
    ),
    _case(
        "DragomanLogDropped",
        5,
        f"dragoman_log_dropped_total{{{AT}}}",
        "0 0 5x10",
        "5x10",
        BY,
        "i lost 5 lines of its log in ten minutes.",
    ),
)


def rule_test(case: Case, *, firing: bool, severity: str) -> dict[str, Any]:
    """The case as an entry of a file for `promtool test rules`."""
    expected = {
        "exp_labels": {**case.labels, "severity": severity},
        "exp_annotations": {
            "summary": case.summary,
            "runbook": f"docs/monitoring.md#{case.alert.lower()}",
        },
    }
    series = case.fires if firing else case.quiet
    check = {"eval_time": f"{case.minute}m", "alertname": case.alert, "exp_alerts": [expected] if firing else []}
    return {
        "name": f"{case.alert} {'fires' if firing else 'is quiet'}",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [check],
    }
