"""Findings of filters as Azure OpenAI reports them: `content_filter_results` of a choice, and of the prompt.

OpenAI itself has no place for findings, and its clients pass on keys that they do not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dragoman import v1

CHOICE, PROMPT = "content_filter_results", "prompt_filter_results"
_SEVERITIES = {
    "safe": v1.SAFETY_LEVEL_NEGLIGIBLE,
    "low": v1.SAFETY_LEVEL_LOW,
    "medium": v1.SAFETY_LEVEL_MEDIUM,
    "high": v1.SAFETY_LEVEL_HIGH,
}
_NAMES = {level: name for name, level in _SEVERITIES.items()}
_OURS = {"hate": "hate_speech", "sexual": "sexually_explicit"}
_THEIRS = {ours: theirs for theirs, ours in _OURS.items()}
_MOST = 64  # categories of one assessment


def encode_results(assessment: v1.SafetyAssessment) -> dict[str, Any]:
    """The categories of an assessment. `score` is a key of ours. Of several sources the gravest rating is shown."""
    gravest: dict[str, v1.SafetyRating] = {}
    for rating in assessment.ratings:
        shown = gravest.setdefault(_THEIRS.get(rating.category, rating.category), rating)
        if (rating.blocked, rating.level) > (shown.blocked, shown.level):
            gravest[_THEIRS.get(rating.category, rating.category)] = rating
    return {name: _encode(rating) for name, rating in gravest.items()}


def _encode(rating: v1.SafetyRating) -> dict[str, Any]:
    severity = {"severity": _NAMES[rating.level]} if rating.level else {}
    score = {"score": rating.score} if rating.HasField("score") else {}
    return {"filtered": rating.blocked, **severity, **score}


def encode_prompt_results(assessment: v1.SafetyAssessment) -> list[dict[str, Any]]:
    """The categories of an assessment of the prompt."""
    return [{"prompt_index": 0, CHOICE: encode_results(assessment)}]


def decode_prompt_results(results: Any) -> v1.SafetyAssessment | None:
    """The ratings of the prompt, as `decode_results` reads them."""
    found = results[0] if isinstance(results, list) and results else None
    return decode_results(found.get(CHOICE)) if isinstance(found, Mapping) else None


def decode_results(results: Any) -> v1.SafetyAssessment | None:
    """The ratings in `results`; None if there are none. What makes no sense is left out."""
    ratings = list(_ratings(results)) if isinstance(results, Mapping) else []
    if not ratings:
        return None
    return v1.SafetyAssessment(ratings=ratings, blocked=any(rating.blocked for rating in ratings))


def _ratings(results: Mapping[str, Any]) -> Iterator[v1.SafetyRating]:
    for category, result in list(results.items())[:_MOST]:
        if not isinstance(result, Mapping):
            continue
        severity, score = result.get("severity"), result.get("score")
        level = _SEVERITIES.get(severity if isinstance(severity, str) else "", v1.SAFETY_LEVEL_UNSPECIFIED)
        filtered = result.get("filtered") is True
        if not level and not filtered:
            continue
        name = _OURS.get(category, category).lower()[:64]
        rating = v1.SafetyRating(category=name, level=level, blocked=filtered)
        if isinstance(score, int | float) and 0 <= score <= 1:
            rating.score = score
        yield rating
