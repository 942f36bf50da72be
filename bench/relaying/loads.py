"""The loads that every target gets in turn, and the measurement of one round."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from relaying.gateways import Started
from relaying.targets import Target
from relaying.words import Order

UNARY_TOKENS, STREAM_TOKENS, PACED_TOKENS = 32, 200, 80
STREAMS = 8  # concurrent streams, of those without a pace
PACED_STREAMS, PACE = 200, 20  # concurrent streams, and tokens per second of each


@dataclass(frozen=True, slots=True)
class Load:
    """Repeats an order for `seconds`, `in_flight` at a time. A `paced` load starts all of them at once, only once."""

    name: str
    order: Order
    in_flight: int
    seconds: float
    streamed: bool = True

    @property
    def paced(self) -> bool:
        return self.order.rate > 0


@dataclass(slots=True)
class Sample:
    """One round of one load at one target. `gateway` and `others` are seconds of CPU time for the whole round."""

    amount: int = 0
    """Number of calls, or of tokens in streams."""
    gateway: float = 0.0
    others: float = 0.0
    """CPU time of the client and the upstream."""
    took: float = 0.0
    latencies: list[float] = field(default_factory=list)
    """Seconds from each request to the end of its answer."""
    delays: list[float] = field(default_factory=list)
    """Seconds from the write of each paced token to its arrival."""


def loads(scale: float) -> list[Load]:
    """Returns all loads; their length is multiplied by `scale`."""
    whole = Order("packed", UNARY_TOKENS)
    packed, each = Order("packed", STREAM_TOKENS), Order("each", STREAM_TOKENS)
    return [
        Load("unary 1", whole, 1, 1.75 * scale, streamed=False),
        Load("unary 32", whole, 32, 1.75 * scale, streamed=False),
        Load("packed", packed, STREAMS, 1.25 * scale),
        Load("each", each, STREAMS, 1.25 * scale),
        Load("paced", Order("paced", round(PACED_TOKENS * scale), PACE), PACED_STREAMS, 0.0),
    ]


async def run(load: Load, target: Target, started: Started) -> Sample:
    """Runs one round. Ends the benchmark if a word is missing, because its figures would be wrong."""
    sample = Sample()
    peer = target.peer

    async def once() -> None:
        began = time.perf_counter()
        words = await (peer.stream(load.order, sample.delays) if load.streamed else peer.call(load.order))
        if words != load.order.tokens:
            raise SystemExit(f"{target.name}, load {load.name}: received {words} tokens, expected {load.order.tokens}")
        sample.latencies.append(time.perf_counter() - began)

    gateway, others = _clocks(target, started)
    began = time.perf_counter()
    before = gateway(), others()
    await asyncio.gather(*(_worker(once, load) for _ in range(load.in_flight)))
    sample.gateway, sample.others = gateway() - before[0], others() - before[1]
    sample.took = time.perf_counter() - began
    sample.amount = len(sample.latencies) * (load.order.tokens if load.streamed else 1)
    return sample


async def _worker(once: Callable[[], Awaitable[None]], load: Load) -> None:
    ends = time.perf_counter() + load.seconds
    await once()
    while not load.paced and time.perf_counter() < ends:
        await once()


def _clocks(target: Target, started: Started) -> tuple[Callable[[], float], Callable[[], float]]:
    """Returns clocks for the CPU time of the gateway, and for that of the client and the upstream."""
    gateway = target.program.cpu if target.program else lambda: 0.0
    return gateway, lambda: time.process_time() + started.upstream.cpu()
