"""The private parts of prometheus_client that telemetry/workers.py uses: a version that changes them fails here."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version

import pytest
from dragoman_service.telemetry import workers

WHERE = f"prometheus_client {version('prometheus-client')} has changed; see telemetry/workers.py"
WORKER = """
import sys
from dragoman_service.telemetry import workers
workers.join(int(sys.argv[1]))
from prometheus_client import CollectorRegistry, Counter, Gauge
Counter("calls", "", registry=None).inc()
Gauge("running", "", registry=None, multiprocess_mode="livesum").inc()
"""
READER = """
import sys
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector
registry = CollectorRegistry()
MultiProcessCollector(registry, sys.argv[1])
print(registry.get_sample_value("calls_total"), registry.get_sample_value("running"))
"""


@pytest.fixture
def run(tmp_path):
    """Runs a program as one of several workers and returns its output."""

    def run(program: str, argument: str) -> str:
        environment = {**os.environ, workers.FOLDER_VARIABLE: str(tmp_path)}
        command = [sys.executable, "-c", program, argument]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()

    return run


def test_a_worker_writes_under_its_number_and_its_successor_goes_on_counting(run, tmp_path):
    for _ in range(3):
        run(WORKER, "7")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["counter_7.db", "gauge_livesum_7.db"], WHERE
    assert run(READER, str(tmp_path)).split()[0] == "3.0", WHERE


def test_forgetting_a_worker_removes_its_gauges_and_keeps_what_it_counted(run, tmp_path):
    for number in ("7", "8"):
        run(WORKER, number)
    workers.forget(tmp_path, 7)

    assert run(READER, str(tmp_path)) == "2.0 1.0", WHERE
