"""What routing, admission and limits cost a call: each part on, beside a service that has none of them configured.

    python bench/edge.py            # about 30 seconds
    python bench/edge.py --calls 500

Calls go through the engine of a real service in this process, without gRPC, to the echo provider. All services are open
at the same time and take turns, so that the noise of the machine meets them alike. CPU time of the process, the lowest
of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from dragoman import v1
from dragoman_service.app import Running, running
from dragoman_service.catalogue.catalogue import Target
from dragoman_service.providers.echo.provider import Echo
from dragoman_service.routing.health.health import Health
from dragoman_service.routing.planning.entry import Choose, Entry
from dragoman_service.routing.planning.plan import Facts, plan
from dragoman_service.settings.settings import load
from dragoman_service.telemetry.log import configure
from dragoman_service.telemetry.record import CallRecord

ROUNDS = 9
PLAIN = "nothing configured"
MANY = 1_000_000_000  # units: the limits are never reached
EIGHT = {f"e{number}": {"plugin": "echo"} for number in range(8)}
PARTS: Mapping[str, Mapping[str, Any]] = {
    PLAIN: {},
    "slots of the service": {"admission": {"concurrency": 100}},
    "slots of a target": {"admission": {"targets": {"echo/echo": {"concurrency": 100}}}},
    "slots of a provider, by trial": {"providers": {"echo": {"concurrency": {"min": 4, "max": 64}}}},
    "a name with one target": {"models": {"echo2": {"targets": ["echo/echo"]}}, "asked": "echo2"},
    "eight targets, first": {
        "providers": EIGHT,
        "models": {"echo2": {"targets": [f"{name}/echo" for name in EIGHT]}},
        "asked": "echo2",
    },
    "eight targets, fastest": {
        "providers": EIGHT,
        "models": {"echo2": {"targets": [f"{name}/echo" for name in EIGHT], "choose": "fastest"}},
        "asked": "echo2",
    },
    "usage recorded": {"usage": {"record": True}},
    "three limits of a key": {
        "limits": {"keys": {"*": {"requests": {"minute": MANY}, "tokens": {"minute": MANY, "day": MANY}}}}
    },
}
"""Settings of each service, by what it has on; `asked` is the model that calls name."""


async def cost(service: Running, model: str, calls: int) -> float:
    """Microseconds of CPU time that a call takes."""
    request = v1.CompletionRequest(model=model)
    request.messages.add(role=v1.ROLE_USER).parts.add(text="one two three")
    begin = time.process_time()
    for _ in range(calls):
        record = CallRecord("bench", "bench", "unary", "bench")  # without one it would be a run of an operation
        call = replace(service.engine.call("bench"), record=record)
        async with service.engine.relay(request, call) as relay:
            await relay.completion()
    return (time.process_time() - begin) / calls * 1e6


async def measure(calls: int) -> dict[str, float]:
    """The lowest cost of a call at each service."""
    lowest: dict[str, float] = {}
    async with AsyncExitStack() as stack:
        services = {}
        for name, part in PARTS.items():
            settings = dict(part)
            model = settings.pop("asked", "echo")
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            server = {"grpc": "127.0.0.1:0", "http": "127.0.0.1:0", "data_dir": folder}
            tree = {"server": server, "providers": {"echo": {}}, **settings}
            services[name] = await stack.enter_async_context(running(load(None, {}, tree))), model
        for _ in range(ROUNDS):
            for name, (service, model) in services.items():
                lowest[name] = min(lowest.get(name, float("inf")), await cost(service, model, calls))
    return lowest


def plan_cost(count: int, choose: Choose, calls: int) -> float:
    """Microseconds for a plan of so many targets, without the engine around it."""
    targets = [Target(v1.Model(name=f"p{number}/m", provider=f"p{number}"), Echo()) for number in range(count)]
    request = v1.CompletionRequest(model="m")
    facts = Facts("me", request, lambda: 10, lambda _: False, lambda _: True, lambda _: True)
    health, entry = Health(time.monotonic), Entry(choose)
    begin = time.process_time()
    for _ in range(calls):
        plan(targets, entry, facts, health, random.random)
    return (time.process_time() - begin) / calls * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=300, help="calls in a round (default: %(default)s)")
    calls = parser.parse_args().calls
    configure("error", "console", lambda: None)
    figures = asyncio.run(measure(calls))
    print(f"{'':40}{'µs a call':>12}{'more':>10}")
    for name, figure in figures.items():
        print(f"{name:40}{figure:12.0f}{figure - figures[PLAIN]:+10.0f}")
    print(f"\n{'plan of 8 targets alone':40}{'µs':>12}")
    choices: tuple[Choose, ...] = ("first", "weighted", "least_busy", "fastest")
    for choose in choices:
        print(f"{choose:40}{min(plan_cost(8, choose, 20 * calls) for _ in range(ROUNDS)):12.1f}")


if __name__ == "__main__":
    main()
