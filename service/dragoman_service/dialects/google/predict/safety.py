"""Safety attributes and citations, as plain values, in both directions.

`categories` and `scores` are parallel lists. `safetyRatings` has the level of each category, and says whether its score
was reported or stands for the level. The keys `blocked` in a rating, `message` and `PROMPT` are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dragoman import v1

from dragoman_service.errors import malformed_answer

PROMPT = "promptSafetyAttributes"
_TITLES = {
    "hate_speech": "Hate Speech",
    "dangerous_content": "Dangerous Content",
    "harassment": "Harassment",
    "sexually_explicit": "Sexually Explicit",
}
_OURS = {title: category for category, title in _TITLES.items()}
_SCORES = {
    v1.SAFETY_LEVEL_UNSPECIFIED: 0.0,
    v1.SAFETY_LEVEL_NEGLIGIBLE: 0.1,
    v1.SAFETY_LEVEL_LOW: 0.3,
    v1.SAFETY_LEVEL_MEDIUM: 0.6,
    v1.SAFETY_LEVEL_HIGH: 0.9,
}
"""The score that is shown for a level without one."""
_LEVEL = "SAFETY_LEVEL_"
_MOST = 64  # ratings, and codes, of one assessment that are read
_CITATION = {
    "startIndex": "start_index",
    "endIndex": "end_index",
    "url": "uri",
    "title": "title",
    "license": "license",
    "publicationDate": "publication_date",
}


def encode_safety(assessment: v1.SafetyAssessment) -> dict[str, Any]:
    """The attributes of one candidate. Of several sources the gravest rating of a category is shown."""
    ratings = _gravest(assessment.ratings)
    encoded: dict[str, Any] = {
        "blocked": assessment.blocked,
        "categories": [_title(rating.category) for rating in ratings],
        "scores": [rating.score if rating.HasField("score") else _SCORES[rating.level] for rating in ratings],
    }
    if ratings:
        encoded["safetyRatings"] = [_encode_rating(rating) for rating in ratings]
    if errors := [int(code) for code in assessment.codes if code.isascii() and code.isdigit() and len(code) < 10]:
        encoded["errors"] = errors  # absent if there are none, because clients fail on an empty list
    if assessment.message:
        encoded["message"] = assessment.message
    return encoded


def decode_safety(attributes: Any) -> v1.SafetyAssessment:
    """The assessment, empty if `attributes` says nothing. Raises PROVIDER_MALFORMED."""
    if not isinstance(attributes, Mapping):
        return v1.SafetyAssessment()
    message = attributes.get("message")
    errors = (code for code in _items(attributes.get("errors")) if type(code) is int)
    return v1.SafetyAssessment(
        blocked=attributes.get("blocked") is True,
        ratings=_decode_ratings(attributes),
        codes=map(str, errors),
        message=message[:256] if isinstance(message, str) else "",
    )


def encode_citations(citations: Iterable[v1.Citation]) -> dict[str, Any]:
    """The citations of one candidate."""
    return {"citations": [_encode_citation(citation) for citation in citations]}


def decode_citations(metadata: Any) -> list[v1.Citation]:
    """The citations in the metadata of one candidate."""
    listed = metadata.get("citations") if isinstance(metadata, Mapping) else None
    return [_decode_citation(citation) for citation in _items(listed) if isinstance(citation, Mapping)]


def _gravest(ratings: Iterable[v1.SafetyRating]) -> list[v1.SafetyRating]:
    shown: dict[str, v1.SafetyRating] = {}
    for rating in ratings:
        known = shown.setdefault(rating.category, rating)
        if (rating.blocked, rating.level, rating.score) > (known.blocked, known.level, known.score):
            shown[rating.category] = rating
    return list(shown.values())


def _encode_rating(rating: v1.SafetyRating) -> dict[str, Any]:
    encoded: dict[str, Any] = {"category": _title(rating.category)}
    if rating.level:
        encoded["severity"] = v1.SafetyLevel.Name(rating.level).removeprefix(_LEVEL)
    if rating.HasField("score"):
        encoded["probabilityScore"] = rating.score
    return {**encoded, "blocked": True} if rating.blocked else encoded


def _decode_ratings(attributes: Mapping[str, Any]) -> list[v1.SafetyRating]:
    listed = [rating for rating in _items(attributes.get("safetyRatings")) if isinstance(rating, Mapping)]
    if listed:
        return [_decode_rating(rating) for rating in listed]
    categories, scores = _items(attributes.get("categories")), _items(attributes.get("scores"))
    return [
        v1.SafetyRating(category=_category(category), score=_score(score))
        for category, score in zip(categories, scores, strict=False)
    ]


def _decode_rating(rating: Mapping[str, Any]) -> v1.SafetyRating:
    name = f"{_LEVEL}{rating.get('severity')}"
    known = name in dict(v1.SafetyLevel.items())
    return v1.SafetyRating(
        category=_category(rating.get("category")),
        score=_score(rating["probabilityScore"]) if rating.get("probabilityScore") is not None else None,
        level=v1.SafetyLevel.Value(name) if known else v1.SAFETY_LEVEL_UNSPECIFIED,
        blocked=rating.get("blocked") is True,
    )


def _title(category: str) -> str:
    return _TITLES.get(category, category)


def _category(title: Any) -> str:
    """Our name of a category, in lower case."""
    if not isinstance(title, str) or not title:
        raise malformed_answer("sent a safety category that is not a text")
    return _OURS.get(title, title.lower())[:64]


def _score(score: Any) -> float:
    if type(score) not in (int, float) or not 0 <= score <= 1:
        raise malformed_answer("sent a safety score that is not a number from 0 to 1")
    return float(score)


def _encode_citation(citation: v1.Citation) -> dict[str, Any]:
    encoded = {key: getattr(citation, field) for key, field in _CITATION.items()}
    return {key: value for key, value in encoded.items() if value or (key == "startIndex" and citation.end_index)}


def _decode_citation(citation: Mapping[str, Any]) -> v1.Citation:
    decoded = v1.Citation()
    for key, field in _CITATION.items():
        value = citation.get(key)
        if isinstance(value, str) and not key.endswith("Index"):
            setattr(decoded, field, value[:2048])
        elif type(value) is int and key.endswith("Index") and 0 <= value < 2**31:
            setattr(decoded, field, value)
    return decoded


def _items(value: Any) -> list[Any]:
    """At most so many elements of a list; one element alone stands for a list of one."""
    if value is None or value == {}:
        return []
    return (value if isinstance(value, list) else [value])[:_MOST]
