"""The safety settings of a request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dragoman import v1

from dragoman_service.errors import FieldViolation
from dragoman_service.validation import limits
from dragoman_service.validation.wording import missing, too_long, too_many, unknown_value

_THRESHOLDS = frozenset(v1.SafetyThreshold.values()) - {v1.SAFETY_THRESHOLD_UNSPECIFIED}


def safety_violations(settings: Sequence[v1.SafetySetting], at: str) -> Iterator[FieldViolation]:
    """Every wrong setting."""
    if len(settings) > limits.SAFETY_SETTINGS:
        yield too_many(at, len(settings), limits.SAFETY_SETTINGS, "settings")
        return
    seen: set[str] = set()
    for number, setting in enumerate(settings):
        path = f"{at}[{number}]"
        yield from _category(setting.category, f"{path}.category", seen)
        if setting.block_at not in _THRESHOLDS:
            yield unknown_value(f"{path}.block_at", v1.SafetyThreshold)


def _category(category: str, path: str, seen: set[str]) -> Iterator[FieldViolation]:
    if not category:
        yield missing(path, "the name of a category, as in 'hate_speech'")
    elif len(category) > limits.SAFETY_CATEGORY:
        yield too_long(path, category, limits.SAFETY_CATEGORY)
    elif category != category.lower():
        yield FieldViolation(path, "must be in lower case")
    elif category in seen:
        yield FieldViolation(path, "occurs twice: set each category once")
    seen.add(category)
