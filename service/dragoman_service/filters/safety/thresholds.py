"""Thresholds of safety filters: their names in settings, and the levels that each blocks."""

from __future__ import annotations

from typing import Literal

from dragoman import v1

Threshold = Literal["low", "medium", "high", "none"]
THRESHOLDS = {
    "low": v1.SAFETY_THRESHOLD_LOW,
    "medium": v1.SAFETY_THRESHOLD_MEDIUM,
    "high": v1.SAFETY_THRESHOLD_HIGH,
    "none": v1.SAFETY_THRESHOLD_NONE,
}
"""They grow with leniency."""
_BLOCKED_FROM = {
    v1.SAFETY_THRESHOLD_LOW: v1.SAFETY_LEVEL_LOW,
    v1.SAFETY_THRESHOLD_MEDIUM: v1.SAFETY_LEVEL_MEDIUM,
    v1.SAFETY_THRESHOLD_HIGH: v1.SAFETY_LEVEL_HIGH,
}


def reaches(level: v1.SafetyLevel.ValueType, threshold: v1.SafetyThreshold.ValueType | None) -> bool:
    """Whether a finding of this level is blocked. None and `none` block nothing."""
    return threshold in _BLOCKED_FROM and level >= _BLOCKED_FROM[threshold]
