"""Connect's conformance runner against ConformanceService on the native transport: gRPC over HTTP/2, plain and TLS."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_the_conformance_runner_finds_nothing(program):
    server = [sys.executable, HERE / "conformance.py"]
    runner = [program("connectconformance"), "--mode", "server", "--conf", HERE / "conformance.yaml"]
    command = [*runner, "--parallel", "4", "--max-servers", "2", "--", *server]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    result = re.search(r"Total cases: (\d+)\n(\d+) passed, (\d+) failed", done.stdout + done.stderr)

    assert result is not None, done.stderr
    total, passed, failed = map(int, result.groups())
    assert failed == 0, done.stdout
    assert (done.returncode, passed) == (0, total)
    assert total > 700
