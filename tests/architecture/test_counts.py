"""A call asks little of the event loop: few tasks, timers and callbacks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from dragoman_service.transport.choice import why_no_extension

ROOT = Path(__file__).parents[2]
COLUMNS = ("tasks", "timers", "soon", "polls", "sends", "receives", "functions")
# A whole answer is made in the task of its caller; a stream has a relay with a task. One timer is for the first message
# or the deadline, and one for the upstream. The upstream is sent one piece and answers with one, as the caller.
# The functions are a tenth above what was measured, because the loop also polls for others.
LIMITS = {
    "unary": (1.5, 3, 7, 7, 2.5, 2.5, 760),
    "unary_streamed": (1.5, 3, 7, 7, 2.5, 2.5, 750),
    "stream": (2.5, 4, 11, 10, 2.5, 2.5, 950),
    "unary_http": (1.5, 3, 3, 7, 2.5, 3, 920),
}
# Three tasks, half of the callbacks and most polls are those of grpc.aio, whose own sockets are not counted.
GRPCIO = {
    "unary": (3.5, 4, 17, 20, 1.5, 1.5, 960),
    "unary_streamed": (3.5, 4, 17, 20, 1.5, 1.5, 960),
    "stream": (4.5, 5, 25, 40, 1.5, 1.5, 1280),
}


@pytest.mark.parametrize("transport", ["native", "grpcio"])
def test_a_call_asks_little_of_the_event_loop(transport):
    if transport == "native" and (why := why_no_extension()):
        pytest.skip(why)
    limits = LIMITS if transport == "native" else LIMITS | GRPCIO
    command = [sys.executable, str(ROOT / "bench/counts.py"), "--transport", transport]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    head, *lines = [line.split() for line in printed.splitlines()]
    found = {name: tuple(map(float, figures)) for name, *figures in lines}

    assert tuple(head) == COLUMNS
    assert found.keys() == limits.keys()
    for name, figures in found.items():
        assert all(figure <= limit for figure, limit in zip(figures, limits[name], strict=True)), printed
