"""Texts for people that need no service."""

from __future__ import annotations

from dragoman import v1
from dragoman_service.cli.terminal.wording import usage_line, withheld_line


def test_the_last_line_of_an_answer_says_why_text_was_withheld() -> None:
    ratings = [
        v1.SafetyRating(category="violence", blocked=True),
        v1.SafetyRating(category="hate_speech", level=v1.SAFETY_LEVEL_LOW),
    ]
    completion = v1.Completion(provider="echo", served_model="echo")
    choice = completion.choices.add(finish_reason=v1.FINISH_REASON_CONTENT_FILTER)
    choice.safety.ratings.extend(ratings)

    assert usage_line(completion).endswith(" · CONTENT_FILTER (violence) · echo/echo")


def test_a_refused_prompt_is_a_reason_too() -> None:
    completion = v1.Completion(provider="echo", served_model="echo")
    completion.choices.add(finish_reason=v1.FINISH_REASON_CONTENT_FILTER)
    completion.prompt_safety.ratings.add(category="secrets", blocked=True)

    assert " · CONTENT_FILTER (secrets) · " in usage_line(completion)


def test_a_refused_prompt_and_a_withheld_answer_are_told_apart() -> None:
    refused, withheld = v1.Completion(), v1.Completion()
    for completion in (refused, withheld):
        completion.choices.add(finish_reason=v1.FINISH_REASON_CONTENT_FILTER)
    refused.prompt_safety.MergeFrom(v1.SafetyAssessment(blocked=True, message="The filter f blocked it: weapons."))
    withheld.choices[0].safety.ratings.add(category="violence", blocked=True)

    assert withheld_line(refused) == "The prompt was refused: The filter f blocked it: weapons."
    assert withheld_line(withheld) == "The answer was withheld from here on: CONTENT_FILTER (violence)."
    assert not withheld_line(v1.Completion(choices=[v1.Choice(finish_reason=v1.FINISH_REASON_STOP)]))
