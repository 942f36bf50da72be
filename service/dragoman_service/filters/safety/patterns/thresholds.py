"""What happens to each category in one call: the settings, and what the request asks for within them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dragoman import v1

from dragoman_service.filters.safety.matching.scanner import Action
from dragoman_service.filters.safety.patterns.settings import CategorySettings
from dragoman_service.filters.safety.thresholds import THRESHOLDS, reaches

_LEVELS = {"low": v1.SAFETY_LEVEL_LOW, "medium": v1.SAFETY_LEVEL_MEDIUM, "high": v1.SAFETY_LEVEL_HIGH}


def level_of(category: CategorySettings) -> v1.SafetyLevel.ValueType:
    return _LEVELS[category.severity]


def default_threshold(category: CategorySettings) -> v1.SafetyThreshold.ValueType:
    return THRESHOLDS[category.block_at or ("low" if category.action == "block" else "none")]


def actions_for(
    request: v1.CompletionRequest, categories: Mapping[str, CategorySettings], source: str
) -> tuple[Sequence[Action], list[v1.Warning]]:
    """The action of each category, and warnings for settings of the request that go too far."""
    asked = {setting.category: setting.block_at for setting in request.safety_settings}
    actions, warnings = [], []
    for name, category in categories.items():
        threshold, most = default_threshold(category), _most_lenient(category)
        wanted = asked.get(name, threshold)
        if wanted > most:
            warnings.append(_limited(name, most, source))
        actions.append(_action(category, min(wanted, most)))
    return actions, warnings


def _most_lenient(category: CategorySettings) -> v1.SafetyThreshold.ValueType:
    return THRESHOLDS[category.max_block_at] if category.max_block_at else default_threshold(category)


def _action(category: CategorySettings, threshold: v1.SafetyThreshold.ValueType) -> Action:
    if reaches(level_of(category), threshold):
        return Action.BLOCK
    return Action.REDACT if category.action == "redact" else Action.ANNOTATE


def _limited(name: str, most: v1.SafetyThreshold.ValueType, source: str) -> v1.Warning:
    allowed = v1.SafetyThreshold.Name(most)
    message = f"The filter {source} lets requests raise the threshold of {name} to {allowed} at most; that is used."
    return v1.Warning(field="safety_settings", reason="UNSUPPORTED_FIELD", message=message)
