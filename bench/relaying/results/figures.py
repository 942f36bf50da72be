"""Turns the samples of all rounds into the figures of the tables, which are medians over the rounds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from relaying.gateways import DIRECT
from relaying.loads import Sample

Rounds = Mapping[tuple[str, str], Sequence[Sample]]
"""By target and load."""
Figures = dict[str, float]


def figures(rounds: Rounds) -> dict[str, dict[str, Figures]]:
    """Returns the figures by target and load: CPU in microseconds per call or token, latencies in milliseconds.

    `added_p50_ms`, `added_p99_ms` and `added_delay_ms` are the differences from the direct calls of the same round;
    `delay_ms` is how long half of the paced tokens were under way at most.
    """
    found: dict[str, dict[str, Figures]] = {}
    for (target, load), samples in rounds.items():
        floor = rounds[DIRECT, load]
        found.setdefault(target, {})[load] = {
            "gateway_cpu_us": _median([sample.gateway / sample.amount * 1e6 for sample in samples]),
            "others_cpu_us": _median([sample.others / sample.amount * 1e6 for sample in samples]),
            "per_second": _median([sample.amount / sample.took for sample in samples]),
            "took_s": _median([sample.took for sample in samples]),
            "answers": sum(len(sample.latencies) for sample in samples),
            "p50_ms": _median([quantile(sample, 0.50) for sample in samples]),
            "p99_ms": _median([quantile(sample, 0.99) for sample in samples]),
            "added_p50_ms": _added(samples, floor, 0.50),
            "added_p99_ms": _added(samples, floor, 0.99),
        }
        if all(sample.delays for sample in samples):
            delays = [statistics.median(sample.delays) * 1e3 for sample in samples]
            direct = [statistics.median(sample.delays) * 1e3 for sample in floor]
            added = [ours - theirs for ours, theirs in zip(delays, direct, strict=True)]
            found[target][load] |= {"delay_ms": _median(delays), "added_delay_ms": _median(added)}
    return found


def quantile(sample: Sample, share: float) -> float:
    """Returns the milliseconds within which that share of the answers arrived."""
    ordered = sorted(sample.latencies)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1e3


def _added(samples: Sequence[Sample], floor: Sequence[Sample], share: float) -> float:
    pairs = zip(samples, floor, strict=True)
    return _median([quantile(sample, share) - quantile(direct, share) for sample, direct in pairs])


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)
