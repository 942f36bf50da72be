"""A call asks little of the event loop: few tasks, timers and callbacks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIMITS = {  # tasks, timers, callbacks; three tasks and half of the callbacks over gRPC are those of grpc.aio
    "unary": (4.5, 4, 20),
    "unary_streamed": (4.5, 4, 20),
    "stream": (4.5, 5, 25),
    "unary_http": (1.5, 2.5, 3),
}


def test_a_call_asks_little_of_the_event_loop():
    command = [sys.executable, str(ROOT / "bench/counts.py")]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    lines = [line.split() for line in printed.splitlines()[1:]]
    found = {name: tuple(map(float, figures)) for name, *figures in lines}

    assert found.keys() == LIMITS.keys()
    for name, figures in found.items():
        assert all(figure <= limit for figure, limit in zip(figures, LIMITS[name], strict=True)), printed
