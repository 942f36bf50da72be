"""A service that gets five times the calls that it can serve goes on to serve, and answers health."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench/overload.py"


@pytest.mark.skipif(sys.platform != "linux", reason="the benchmark pins its client to a core")
def test_at_five_times_the_capacity_calls_are_answered_or_refused_in_words_and_health_always_answers() -> None:
    command = [sys.executable, str(BENCH), "--quick"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=100).stdout)

    # How many are answered, and how fast, is in the benchmark: beside other tests it depends on them.
    assert found["served"] > 0
    assert found["OVERLOADED"] > 0, "a part is refused in words"
    assert found["health unanswered"] == 0
