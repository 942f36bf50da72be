"""Formats the figures as tables: first the ratios, then the figures behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from relaying.gateways import BARE, DIRECT
from relaying.loads import PACE, PACED_STREAMS, STREAM_TOKENS, UNARY_TOKENS
from relaying.ours import HELD, OURS
from relaying.results.figures import Figures

Told = Mapping[str, Mapping[str, Figures]]
COSTS = {"a call": "unary 32", "packed": "packed", "each": "each", "paced": "paced"}
_WIDTH = 38


def lines(result: Mapping[str, Any]) -> Iterator[str]:
    """Yields the lines of all tables, and what was measured how."""
    told: Told = result["figures"]
    yield from _ratios(told)
    yield from _costs("CPU of the gateway, µs", told, "gateway_cpu_us", without=DIRECT)
    yield from _costs("CPU of client and upstream, µs", told, "others_cpu_us")
    yield from _latencies(told)
    yield from _paces(told)
    yield from _memory(result["memory_mib"], result["streams"])
    yield from _explained()
    yield ""
    yield from _run(result)


def _ratios(told: Told) -> Iterator[str]:
    yield _row("Ratios of CPU", [*COSTS])
    ours = [own.name for own in OURS if own.name in told]
    peers = [target for target in told if target not in (DIRECT, BARE, *ours)]
    for own in ours:
        yield _row(f"{own} : bare echo", [_ratio(told, own, BARE, _gateway, load) for load in COSTS.values()])
        if own == HELD.name:
            continue
        yield _row(f"{own} : direct (all CPU)", [_ratio(told, own, DIRECT, _all, load) for load in COSTS.values()])
        for peer in peers:
            yield _row(f"{peer} : {own}", [_ratio(told, peer, own, _gateway, load) for load in COSTS.values()])
    yield ""


def _ratio(told: Told, one: str, other: str, cpu: Callable[[Figures], float], load: str) -> str:
    return f"{cpu(told[one][load]) / cpu(told[other][load]):.2f}"


def _gateway(figures: Figures) -> float:
    return figures["gateway_cpu_us"]


def _all(figures: Figures) -> float:
    return figures["gateway_cpu_us"] + figures["others_cpu_us"]


def _costs(title: str, told: Told, key: str, *, without: str = "") -> Iterator[str]:
    yield _row(title, [*COSTS])
    for target, loads in told.items():
        if target != without:
            yield _row(target, [f"{loads[load][key]:.1f}" for load in COSTS.values()])
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
    yield _row("Paced streams", ["took, s", "p50, ms", "added p50"])
    for target, loads in told.items():
        paced = loads["paced"]
        added = f"{paced['added_delay_ms']:.2f}" if target != DIRECT else "–"
        yield _row(target, [f"{paced['took_s']:.2f}", f"{paced['delay_ms']:.2f}", added])
    yield ""


def _memory(memory: Mapping[str, Mapping[str, float]], streams: int) -> Iterator[str]:
    yield _row("Resident memory, MiB", ["idle", "after", f"{streams:,}"])
    for target, found in memory.items():
        yield _row(target, [f"{found[key]:.0f}" if key in found else "–" for key in ("idle", "after", "streams")])
    yield ""


def _explained() -> Iterator[str]:
    yield f"a call: a whole answer of {UNARY_TOKENS} tokens, 32 in flight. The others: a token of a stream of"
    yield f"{STREAM_TOKENS}, all in one write of the upstream (packed), each in a write of its own, as fast as it goes"
    yield f"(each), or {PACED_STREAMS} streams side by side of {PACE} tokens a second each (paced). added: less direct."
    yield 'held: with server.hold_tokens = "100ms". Paced streams, p50: from the write of a token to its arrival.'
    yield "Memory: before the first call, after all of them, with so many streams open."


def _run(result: Mapping[str, Any]) -> Iterator[str]:
    facts = result["run"]
    for name, reason in result["not_measured"].items():
        yield f"Not measured: {name}: {reason}."
    yield f"{facts['command']}: {result['rounds']} rounds, {facts['seconds']} s. {facts['processor']}, {facts['cores']}"
    versions = f"Python {facts['python']}, grpcio {facts['grpcio']}, httptools {facts['httptools']}"
    yield f"cores, {facts['system']}, {versions}."
    yield f"Other programs of this machine used {facts['other_programs']:.2f} cores meanwhile: the fewer, the better."
    if result["rounds"] < 2:
        yield "With a single round the ratios are rough."


def _row(title: str, cells: list[str]) -> str:
    return f"{title:{_WIDTH}}" + "".join(f"{cell:>11}" for cell in cells)
