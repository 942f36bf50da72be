"""The names of efforts, and the budgets in tokens of models that know no efforts."""

from __future__ import annotations

from collections.abc import Mapping

from dragoman import v1

EFFORTS: Mapping[str, v1.ReasoningEffort.ValueType] = {
    "low": v1.REASONING_EFFORT_LOW,
    "medium": v1.REASONING_EFFORT_MEDIUM,
    "high": v1.REASONING_EFFORT_HIGH,
    "xhigh": v1.REASONING_EFFORT_XHIGH,
    "max": v1.REASONING_EFFORT_MAX,
}
NAMES: Mapping[int, str] = {v1.REASONING_EFFORT_MINIMAL: "low", **{effort: name for name, effort in EFFORTS.items()}}
LEAST_BUDGET = 1024
"""Tokens below which the vendor's models do not think at all."""
BUDGETS: Mapping[int, int] = {
    v1.REASONING_EFFORT_MINIMAL: LEAST_BUDGET,
    v1.REASONING_EFFORT_LOW: 2048,
    v1.REASONING_EFFORT_MEDIUM: 8192,
    v1.REASONING_EFFORT_HIGH: 16_384,
    v1.REASONING_EFFORT_XHIGH: 24_576,
    v1.REASONING_EFFORT_MAX: 32_000,
}
"""Tokens to think for."""
