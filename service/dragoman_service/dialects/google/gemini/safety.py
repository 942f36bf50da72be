"""Safety settings, ratings and blocked content, both ways."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dragoman import v1

from dragoman_service.dialects.google.gemini.enums import CATEGORY, HARM, Api

_BLOCK_AT = {
    "BLOCK_LOW_AND_ABOVE": v1.SAFETY_THRESHOLD_LOW,
    "BLOCK_MEDIUM_AND_ABOVE": v1.SAFETY_THRESHOLD_MEDIUM,
    "BLOCK_ONLY_HIGH": v1.SAFETY_THRESHOLD_HIGH,
    "BLOCK_NONE": v1.SAFETY_THRESHOLD_NONE,
    "OFF": v1.SAFETY_THRESHOLD_NONE,
}
_THRESHOLDS = {block_at: name for name, block_at in reversed(_BLOCK_AT.items())}
THRESHOLDS: Sequence[str] = tuple(_BLOCK_AT)
_PROBABILITIES = {
    "NEGLIGIBLE": v1.SAFETY_LEVEL_NEGLIGIBLE,
    "LOW": v1.SAFETY_LEVEL_LOW,
    "MEDIUM": v1.SAFETY_LEVEL_MEDIUM,
    "HIGH": v1.SAFETY_LEVEL_HIGH,
}
_LEVELS = {level: name for name, level in _PROBABILITIES.items()}
_UNKNOWN = "HARM_PROBABILITY_UNSPECIFIED"
_BLOCKED_FOR = frozenset(
    {"SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY", "MODEL_ARMOR", "JAILBREAK"}
)
"""The reasons for which a prompt is blocked."""


def block_at(threshold: str) -> v1.SafetyThreshold.ValueType | None:
    """The threshold with that name, None for an unknown one."""
    return _BLOCK_AT.get(threshold)


def category_of(name: str) -> str:
    """Our name of a category: `hate_speech` for `HARM_CATEGORY_HATE_SPEECH`."""
    return name.removeprefix(HARM).lower()


def encode_settings(settings: Iterable[v1.SafetySetting], api: Api) -> list[dict[str, str]]:
    """The safety settings of a request, without those whose category is a filter's and unknown to the API."""
    known = CATEGORY.names(api)
    return [
        {"category": category, "threshold": _THRESHOLDS[setting.block_at]}
        for setting in settings
        if (category := _harm(setting.category)) in known and setting.block_at in _THRESHOLDS
    ]


def encode_ratings(ratings: Iterable[v1.SafetyRating], api: Api) -> list[dict[str, Any]]:
    """The ratings of a prompt or of a candidate. Only one of the APIs has scores."""
    encoded = []
    for rating in ratings:
        shown: dict[str, Any] = {
            "category": _harm(rating.category),
            "probability": _LEVELS.get(rating.level, _UNKNOWN),
        }
        if rating.HasField("score") and api is Api.VERTEX:
            shown["probabilityScore"] = rating.score
        if rating.blocked:
            shown["blocked"] = True
        encoded.append(shown)
    return encoded


def encode_feedback(prompt: v1.SafetyAssessment, api: Api) -> dict[str, Any]:
    """The feedback on a prompt."""
    feedback: dict[str, Any] = {}
    if prompt.blocked:
        feedback["blockReason"] = next((code for code in prompt.codes if code in _BLOCKED_FOR), "SAFETY")
        if prompt.message and api is Api.VERTEX:
            feedback["blockReasonMessage"] = prompt.message
    if prompt.ratings:
        feedback["safetyRatings"] = encode_ratings(prompt.ratings, api)
    return feedback


def decode_ratings(values: object) -> Iterator[v1.SafetyRating]:
    """The ratings in a list. What makes no sense is left out, because no answer should fail for it."""
    for value in values if isinstance(values, list) else ():
        if not isinstance(value, Mapping) or not isinstance(value.get("category"), str):
            continue
        score = value.get("probabilityScore")
        level = _PROBABILITIES.get(str(value.get("probability")), v1.SAFETY_LEVEL_UNSPECIFIED)
        rating = v1.SafetyRating(
            category=category_of(value["category"])[:64], level=level, blocked=value.get("blocked") is True
        )
        if isinstance(score, int | float) and not isinstance(score, bool) and 0 <= score <= 1:
            rating.score = score
        yield rating


def decode_feedback(feedback: Mapping[str, Any]) -> v1.SafetyAssessment:
    """The feedback on a prompt. It is blocked if it says why."""
    reason, message = feedback.get("blockReason"), feedback.get("blockReasonMessage")
    assessment = v1.SafetyAssessment(ratings=decode_ratings(feedback.get("safetyRatings")))
    if isinstance(reason, str) and reason and not reason.endswith("_UNSPECIFIED"):
        assessment.blocked = True
        assessment.codes.append(reason[:64])
        assessment.message = message if isinstance(message, str) else ""
    return assessment


def _harm(category: str) -> str:
    return HARM + category.upper()
