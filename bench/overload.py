"""What the service still serves when more calls come than it can serve: open loop, at several times its capacity.

    python bench/overload.py             # about a minute
    python bench/overload.py --quick     # five times the capacity only, a few seconds, as JSON

The capacity is what is served while 200 calls are always under way. Then calls come at a rate, whether or not earlier
ones were answered, with a deadline of two seconds each; `served` counts answers. Health is asked for meanwhile, 50
times a second. The client runs on one core and takes much of it; the service has all. `make bench` runs it too. Linux
only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from attacking.open_loop import Connection, Outcomes, at_rate, body, connected, head, idle, in_turn
from dragoman import v1
from relaying.processes import started

SETTINGS = """\
[server]
grpc = "127.0.0.1:0"
http = "127.0.0.1:0"
data_dir = "{folder}"
[log]
level = "error"
[providers.echo]
"""
CONNECTIONS, AT_ONCE = 20, 200
DEADLINE = 2.0  # seconds
HEALTH_RATE = 50.0
FACTORS = (1, 2, 5)
CALLS = {"CreateCompletion, 3 words": ("Create", 3), "StreamCompletion, 300 words": ("Stream", 300)}


@asynccontextmanager
async def service() -> AsyncIterator[str]:
    """A service with default settings; yields the address of its gRPC listener."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "dragoman.toml")
        config.write_text(SETTINGS.format(folder=folder))  # noqa: ASYNC240 - nothing else runs yet
        command = (sys.executable, "-m", "dragoman_service", "serve", "--config", str(config))
        async with started(*command, core=None, log=Path(folder, "log")) as program:
            yield dict([(await program.line()).split() for _ in range(2)])["grpc"]


class Overload:
    """Calls of one kind, and health beside them."""

    def __init__(self, connections: list[Connection], probe: list[Connection], method: str, words: int) -> None:
        self._connections, self._probe = connections, probe
        request = v1.CompletionRequest(model="echo")
        request.messages.add(role=v1.ROLE_USER).parts.add(text="word " * words)
        self._call = (
            head(f"/dragoman.v1.CompletionService/{method}Completion", DEADLINE),
            body(request.SerializeToString()),
        )

    async def capacity(self, seconds: float) -> float:
        """Calls served in a second while many are under way."""
        await in_turn(self._connections, *self._call, AT_ONCE, seconds / 3)
        outcomes = await in_turn(self._connections, *self._call, AT_ONCE, seconds)
        await idle(self._connections)
        return len(outcomes.served) / seconds

    async def at(self, rate: float, seconds: float) -> tuple[Outcomes, Outcomes]:
        """What became of the calls at that rate, and of those for health."""
        check = head("/grpc.health.v1.Health/Check", DEADLINE), body(b"")
        return await asyncio.gather(
            at_rate(self._connections, *self._call, rate, seconds),
            at_rate(self._probe, *check, HEALTH_RATE, seconds),
        )


def figures(capacity: float, rate: float, seconds: float, calls: Outcomes, health: Outcomes) -> dict[str, float]:
    """Rates in calls a second, times in milliseconds."""
    waits = sorted(health.served)
    return {
        "offered": rate,
        "served": len(calls.served) / seconds,
        "of capacity, %": 100 * len(calls.served) / seconds / capacity,
        "OVERLOADED": calls.refused / seconds,
        "CANCELLED": calls.cancelled / seconds,
        "late": calls.late / seconds,
        "median": 1000 * statistics.median(calls.served or [0.0]),
        "health median": 1000 * statistics.median(waits),
        "health p99": 1000 * waits[len(waits) * 99 // 100],
        "health unanswered": health.refused + health.cancelled + health.late,
    }


async def measure(kind: str, factors: tuple[int, ...], seconds: float) -> list[dict[str, float]]:
    """A row for each factor."""
    async with service() as address:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        connections, probe = await connected(address, CONNECTIONS), await connected(address, 1)
        overload = Overload(connections, probe, *CALLS[kind])
        capacity = await overload.capacity(seconds / 2)
        rows = []
        for factor in factors:
            calls, health = await overload.at(factor * capacity, seconds)
            rows.append(figures(capacity, factor * capacity, seconds, calls, health))
        for connection in (*connections, *probe):
            connection.close()
        return rows


def main() -> None:
    if not hasattr(os, "sched_setaffinity"):
        print("bench/overload.py pins its client to a core: it runs on Linux only. Skipped.")
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="five times the capacity only, as JSON")
    quick = parser.parse_args().quick
    if quick:
        [row] = asyncio.run(measure(next(iter(CALLS)), (5,), 4.0))
        print(json.dumps(row))
        return
    for kind in CALLS:
        rows = asyncio.run(measure(kind, FACTORS, 5.0))
        print(f"{kind:32}" + "".join(f"{factor:>8} ×" for factor in FACTORS))
        for name in rows[0]:
            print(f"  {name:30}" + "".join(f"{row[name]:10.0f}" for row in rows))


if __name__ == "__main__":
    main()
