"""Every metric is documented, and the dashboard and the rules name no other."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from dragoman_service.telemetry.metrics import Metrics

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "deploy/observability"
METRIC = re.compile(
    r"\b((?:dragoman|gen_ai_client|gen_ai_server|grpc_server|http_server)_\w+?)(?:_bucket|_sum|_count)?\b"
)


def families() -> set[str]:
    """The names of all metrics that the service has, as their series show them."""
    return {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in Metrics().registry.collect()
        if METRIC.fullmatch(family.name)
    }


def test_each_metric_of_our_own_is_documented() -> None:
    page = (ROOT / "docs/telemetry.md").read_text()
    ours = {name for name in families() if name.startswith("dragoman_")}

    assert len(ours) > 30
    assert {name for name in ours if f"| `{name}` |" not in page} == set()


def test_what_the_dashboard_and_the_rules_ask_for_exists() -> None:
    named = {
        name
        for file in SHIPPED.iterdir()
        if file.suffix in (".json", ".yml")
        for name in METRIC.findall(file.read_text())
    }

    assert len(named) > 40
    assert named <= families()


def test_the_dashboard_shows_each_metric_of_our_own() -> None:
    shown = set(METRIC.findall((SHIPPED / "dashboard.json").read_text()))

    assert {name for name in families() if name.startswith("dragoman_")} - shown == set()


def test_the_dashboard_is_as_its_script_writes_it() -> None:
    subprocess.run([sys.executable, ROOT / "scripts/monitoring/dashboard.py", "check"], check=True)


def test_each_alert_has_a_runbook() -> None:
    alerts = (SHIPPED / "alerts.yml").read_text()
    names = re.findall(r"- alert: (\w+)", alerts)
    headings = re.findall(r"^### (\w+)$", (ROOT / "docs/monitoring.md").read_text(), re.MULTILINE)

    assert headings == names
    assert re.findall(r"runbook: (\S+)", alerts) == [f"docs/monitoring.md#{name.lower()}" for name in names]
