"""Shows sums of usage: a row for each group."""

from __future__ import annotations

from collections.abc import Sequence

from dragoman import v1

from dragoman_service.cli.quotas.money import dollars
from dragoman_service.cli.terminal.output import note, write_table

COUNTS = ("requests", "attempts", "input", "cached", "written", "output", "reasoning", "usd", "unpriced")
_TIMES = ("hour", "day", "month")


def group_of(name: str) -> v1.SummarizeUsageRequest.Group.ValueType:
    """The group of the schema."""
    return v1.SummarizeUsageRequest.Group.Value(f"GROUP_{'CALLER' if name == 'key' else name.upper()}")


def in_order(sums: Sequence[v1.UsageSummary], by: Sequence[str]) -> list[v1.UsageSummary]:
    """By time if that is the first group; as the service has them if not, those with the highest cost first."""
    return sorted(sums, key=lambda one: one.group[0]) if by[0] in _TIMES else list(sums)


def write_sums(sums: Sequence[v1.UsageSummary], by: Sequence[str]) -> None:
    """Writes a table of the sums to stdout, and the sum of all to stderr."""
    write_table((*by, *COUNTS), [(*one.group, *_counts(one)) for one in sums])
    total = v1.UsageSummary()
    for one in sums:
        total.requests += one.requests
        total.unpriced += one.unpriced
        total.usage.total_tokens += one.usage.total_tokens
        total.usage.cost_nano_usd += one.usage.cost_nano_usd
    without = f", {total.unpriced} attempts without a price" if total.unpriced else ""
    tokens, cost = total.usage.total_tokens, dollars(total.usage.cost_nano_usd)
    note(f"{total.requests} requests, {tokens} tokens, {cost} USD{without}")


def _counts(one: v1.UsageSummary) -> tuple[str, ...]:
    usage = one.usage
    caches = usage.cached_input_tokens, usage.cache_write_tokens
    counts = (one.requests, one.attempts, usage.input_tokens, *caches, usage.output_tokens)
    cost = dollars(usage.cost_nano_usd) if usage.HasField("cost_nano_usd") else "-"
    return (*map(str, counts), str(usage.reasoning_tokens), cost, str(one.unpriced))
