"""Safety attributes and citations as the vendor has them, and as they are in the schema."""

from __future__ import annotations

from typing import Any

import pytest
from dragoman import v1
from dragoman_service.dialects.google.predict.safety import (
    decode_citations,
    decode_safety,
    encode_citations,
    encode_safety,
)
from dragoman_service.errors import CompletionError


def test_several_findings_of_one_category_are_shown_as_the_gravest() -> None:
    ratings = [
        v1.SafetyRating(category="toxic", level=v1.SAFETY_LEVEL_HIGH, source="one"),
        v1.SafetyRating(category="toxic", level=v1.SAFETY_LEVEL_LOW, blocked=True, source="two"),
        v1.SafetyRating(category="harassment", score=0.25, source="one"),
    ]
    encoded = encode_safety(v1.SafetyAssessment(blocked=True, ratings=ratings))

    assert (encoded["categories"], encoded["scores"]) == (["toxic", "Harassment"], [0.3, 0.25])
    assert encoded["safetyRatings"] == [
        {"category": "toxic", "severity": "LOW", "blocked": True},
        {"category": "Harassment", "probabilityScore": 0.25},
    ]


def test_errors_are_numbers_and_absent_without_any() -> None:
    assert "errors" not in encode_safety(v1.SafetyAssessment(codes=["word"]))
    assert encode_safety(v1.SafetyAssessment(codes=["word", "251"]))["errors"] == [251]


def test_the_vendors_categories_have_our_names() -> None:
    attributes = {"blocked": False, "categories": ["Hate Speech", "Death, Harm & Tragedy"], "scores": [0.5, 1]}

    assert decode_safety(attributes) == v1.SafetyAssessment(
        ratings=[
            v1.SafetyRating(category="hate_speech", score=0.5),
            v1.SafetyRating(category="death, harm & tragedy", score=1),
        ]
    )


@pytest.mark.parametrize("attributes", [None, {}, [], "x", {"blocked": "yes", "categories": None, "scores": {}}])
def test_attributes_that_say_nothing_are_nothing(attributes: Any) -> None:
    assert decode_safety(attributes) == v1.SafetyAssessment()


@pytest.mark.parametrize(
    "attributes",
    [
        {"categories": [5], "scores": [0.5]},
        {"categories": ["a"], "scores": ["x"]},
        {"categories": ["a"], "scores": [7]},
        {"safetyRatings": [{"category": ""}]},
    ],
)
def test_attributes_without_sense_are_malformed(attributes: Any) -> None:
    with pytest.raises(CompletionError) as caught:
        decode_safety(attributes)

    assert caught.value.reason == v1.ERROR_REASON_PROVIDER_MALFORMED


def test_a_citation_comes_back_as_it_was() -> None:
    citations = [
        v1.Citation(end_index=4, uri="https://a.example", title="A", license="MIT", publication_date="2024-05"),
        v1.Citation(uri="https://b.example"),
    ]
    encoded = encode_citations(citations)

    assert encoded["citations"][0]["startIndex"] == 0
    assert "endIndex" not in encoded["citations"][1]
    assert decode_citations(encoded) == citations


@pytest.mark.parametrize("metadata", [None, {}, {"citations": {}}, {"citations": None}, {"citations": ["x"]}])
def test_without_citations_there_are_none(metadata: Any) -> None:
    assert decode_citations(metadata) == []


def test_an_index_that_is_none_is_left_out() -> None:
    assert decode_citations({"citations": [{"startIndex": -1, "endIndex": "x", "url": 5, "title": "T"}]}) == [
        v1.Citation(title="T")
    ]
