"""What is asked of every target in turn, and what one round of it cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from relaying.gateways import Started
from relaying.targets import Target
from relaying.words import Order

UNARY_TOKENS, STREAM_TOKENS, PACED_TOKENS = 32, 200, 80
STREAMS = 8  # side by side, of those that come as fast as they go
PACED_STREAMS, PACE = 200, 20  # streams side by side, and tokens a second of each


@dataclass(frozen=True, slots=True)
class Load:
    """Orders, `in_flight` at a time, for `seconds`; where they are `paced` they all start at once, and only once."""

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
    """One round of one load at one target; seconds of CPU time, of all that was asked together."""

    amount: int = 0
    """Calls, or tokens of streams."""
    gateway: float = 0.0
    others: float = 0.0
    """Of the client and the upstream."""
    took: float = 0.0
    latencies: list[float] = field(default_factory=list)
    """Seconds that each answer took to its end."""


def loads(scale: float) -> list[Load]:
    """All of them; `scale` makes them shorter."""
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
    """One round. Ends the bench if a word is missing: the figures would lie."""
    sample = Sample()
    ask = target.peer.stream if load.streamed else target.peer.call

    async def once() -> None:
        began = time.perf_counter()
        words = await ask(load.order)
        if words != load.order.tokens:
            raise SystemExit(f"{target.name}: {words} tokens of {load.name} came, {load.order.tokens} were ordered")
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
    """What tells the CPU time of the gateway, and that of the client and the upstream."""
    gateway = target.program.cpu if target.program else lambda: 0.0
    return gateway, lambda: time.process_time() + started.upstream.cpu()
