"""A call asks little of the event loop: few tasks, timers and callbacks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
COLUMNS = ("tasks", "timers", "soon", "polls", "sends", "receives", "functions")
LIMITS = {
    # Over gRPC, three tasks, half of the callbacks and most polls are those of grpc.aio. A whole answer is made in the
    # task of its caller; a stream has a relay with a task. One timer is for the first message, one for the deadline,
    # and one for the upstream. The upstream is sent one piece, and answers with one. The functions are a tenth above
    # what was measured, because the loop also polls for others.
    "unary": (3.5, 4, 17, 20, 1.5, 1.5, 960),
    "unary_streamed": (3.5, 4, 17, 20, 1.5, 1.5, 960),
    "stream": (4.5, 5, 25, 40, 1.5, 1.5, 1280),
    # The task is the request's. The timers are for the deadline and the upstream.
    "unary_http": (1.5, 3, 3, 7, 2.5, 3, 920),
}


def test_a_call_asks_little_of_the_event_loop():
    command = [sys.executable, str(ROOT / "bench/counts.py")]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    head, *lines = [line.split() for line in printed.splitlines()]
    found = {name: tuple(map(float, figures)) for name, *figures in lines}

    assert tuple(head) == COLUMNS
    assert found.keys() == LIMITS.keys()
    for name, figures in found.items():
        assert all(figure <= limit for figure, limit in zip(figures, LIMITS[name], strict=True)), printed
