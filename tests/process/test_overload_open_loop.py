"""A service that gets five times the calls that it can serve goes on to serve, and answers health at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench/overload.py"


@pytest.mark.skipif(sys.platform != "linux", reason="the benchmark pins its client to a core")
def test_at_five_times_the_capacity_most_of_it_is_still_used_for_answers_in_time() -> None:
    command = [sys.executable, str(BENCH), "--quick"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=100).stdout)

    assert found["of capacity, %"] > 60, "on an idle machine about 100"
    assert found["OVERLOADED"] > 0, "a part is refused in words"
    assert found["health unanswered"] == 0
    assert found["health p99"] < found["median"] / 2, "health does not wait behind the calls"
