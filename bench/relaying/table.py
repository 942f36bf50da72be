"""Formats the figures as tables: first the ratios, then the figures behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from relaying.figures import Figures
from relaying.gateways import BARE, DIRECT, GRPC, HTTP, LITELLM
from relaying.loads import PACE, PACED_STREAMS, STREAM_TOKENS, UNARY_TOKENS

Told = Mapping[str, Mapping[str, Figures]]
COSTS = {"a call": "unary 32", "packed": "packed", "each": "each", "paced": "paced"}
_WIDTH = 34


def lines(told: Told, memory: Mapping[str, float]) -> Iterator[str]:
    """Yields the lines of all tables."""
    yield from _ratios(told)
    yield from _costs("CPU of the gateway, µs", told, "gateway_cpu_us", memory)
    yield from _costs("CPU of client and upstream, µs", told, "others_cpu_us")
    yield from _latencies(told)
    yield from _paces(told)
    yield from _explained()


def _ratios(told: Told) -> Iterator[str]:
    yield _row("Ratios of CPU", [*COSTS])
    for ours in (GRPC, HTTP):
        if ours not in told:
            continue
        yield _row(f"{ours} : bare echo", [_ratio(told, ours, BARE, _gateway, load) for load in COSTS.values()])
        yield _row(f"{ours} : direct (all CPU)", [_ratio(told, ours, DIRECT, _all, load) for load in COSTS.values()])
        if LITELLM in told:
            yield _row(f"LiteLLM : {ours}", [_ratio(told, LITELLM, ours, _gateway, load) for load in COSTS.values()])
    yield ""


def _ratio(told: Told, one: str, other: str, cpu: Callable[[Figures], float], load: str) -> str:
    return f"{cpu(told[one][load]) / cpu(told[other][load]):.2f}"


def _gateway(figures: Figures) -> float:
    return figures["gateway_cpu_us"]


def _all(figures: Figures) -> float:
    return figures["gateway_cpu_us"] + figures["others_cpu_us"]


def _costs(title: str, told: Told, key: str, memory: Mapping[str, float] | None = None) -> Iterator[str]:
    yield _row(title, [*COSTS, *(["RSS MiB"] if memory else [])])
    for target, loads in told.items():
        if memory and target not in memory:  # direct calls have no gateway
            continue
        cells = [f"{loads[load][key]:.1f}" for load in COSTS.values()]
        yield _row(target, [*cells, *([f"{memory[target]:.0f}"] if memory else [])])
    yield ""


def _latencies(told: Told) -> Iterator[str]:
    for load, title in (("unary 1", "Latency of a call, ms, 1 in flight"), ("unary 32", "32 in flight")):
        yield _row(title, ["p50", "p99", "added p50", "added p99", "calls/s", "calls"])
        for target, loads in told.items():
            each = loads[load]
            cells = [f"{each[key]:.2f}" for key in ("p50_ms", "p99_ms", "added_p50_ms", "added_p99_ms")]
            cells = [*cells[:2], *(cells[2:] if target != DIRECT else ["–", "–"])]
            yield _row(target, [*cells, f"{each['per_second']:.0f}", f"{each['answers']:.0f}"])
        yield ""


def _paces(told: Told) -> Iterator[str]:
    yield _row("Paced streams, from begin to end, s", ["took"])
    for target, loads in told.items():
        yield _row(target, [f"{loads['paced']['took_s']:.2f}"])
    yield ""


def _explained() -> Iterator[str]:
    yield f"a call: a whole answer of {UNARY_TOKENS} tokens, 32 in flight. The others: a token of a stream of"
    yield f"{STREAM_TOKENS}, all in one write of the upstream (packed), each in a write of its own, as fast as it goes"
    yield f"(each), or {PACED_STREAMS} streams side by side of {PACE} tokens a second each (paced). added: less direct."


def _row(title: str, cells: list[str]) -> str:
    return f"{title:{_WIDTH}}" + "".join(f"{cell:>11}" for cell in cells)
