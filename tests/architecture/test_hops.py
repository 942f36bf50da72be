"""A call stays easy to follow: it passes through few files, and seldom goes from one to another."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Files, and switches between files. Eight files are the gRPC server of our own; grpcio's is not counted.
LIMITS = {"unary": (46, 160), "stream": (48, 240), "operation": (75, 420)}


def test_a_call_passes_through_few_files():
    command = [sys.executable, str(ROOT / "bench/hops.py")]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    lines = [line.split() for line in printed.splitlines()[1:]]
    found = {name: (int(files), int(switches)) for name, files, switches in lines}

    assert found.keys() == LIMITS.keys()
    for name, (files, switches) in found.items():
        assert files <= LIMITS[name][0], printed
        assert switches <= LIMITS[name][1], f"{printed}; bench/hops.py --path {name} shows where it goes"
