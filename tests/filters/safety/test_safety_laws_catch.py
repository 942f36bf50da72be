"""The laws of filters that refuse text catch what breaks them."""

from __future__ import annotations

from contextlib import aclosing

import pytest
from dragoman import v1
from dragoman_service.filters.safety.patterns.filter import make_patterns
from dragoman_service.filters.safety.patterns.settings import PatternsSettings
from dragoman_service.testing import SafetyFilterLaws
from filtered import context_of

SOUND = make_patterns(PatternsSettings(categories={"fruit": {"words": ["forbidden fruit"]}}), context_of("house"))
TEXTS = ("text", "reasoning")


class Laws(SafetyFilterLaws):
    refused = "wholly forbidden fruit"
    secret = "forbidden fruit"
    examples = 5


def altered(change):
    """The sound filter, with `change` made to its events."""

    def wrap(complete):
        async def wrapped(request, call):
            async with aclosing(SOUND(complete)(request, call)) as events:
                async for event in events:
                    for other in change(event):
                        yield other

        return wrapped

    return wrap


def lets_all_pass(complete):
    return complete


def judges_fragments(complete):
    """Looks at each fragment alone."""

    async def wrapped(request, call):
        async with aclosing(complete(request, call)) as events:
            async for event in events:
                kind = event.delta.WhichOneof("content")
                if kind in TEXTS and "forbidden fruit" in getattr(event.delta, kind):
                    yield v1.CompletionEvent(
                        choice_finished=v1.ChoiceFinished(finish_reason=v1.FINISH_REASON_CONTENT_FILTER)
                    )
                    return
                yield event

    return wrapped


def goes_on_reading(complete):
    """Drops what follows a blocked answer, and waits for its end."""

    async def wrapped(request, call):
        over = False
        async with aclosing(complete(request, call)) as events:
            async for event in events:
                over = over or "forbidden fruit" in event.delta.text
                if not over:
                    yield event

    return wrapped


def hides_findings(event):
    if not event.HasField("safety"):
        yield event


def names_no_source(event):
    copy = v1.CompletionEvent()
    copy.CopyFrom(event)
    for rating in copy.safety.assessment.ratings if event.HasField("safety") else ():
        rating.source = ""
    yield copy


def quotes_it(event):
    copy = v1.CompletionEvent()
    copy.CopyFrom(event)
    if event.HasField("safety"):
        copy.safety.assessment.message = "It said: forbidden fruit."
    yield copy


def calls_it_an_end(event):
    copy = v1.CompletionEvent()
    copy.CopyFrom(event)
    if event.HasField("choice_finished"):
        copy.choice_finished.finish_reason = v1.FINISH_REASON_STOP
    yield copy


def drops_estimates(event):
    if not event.usage.estimated:
        yield event


@pytest.mark.parametrize(
    ("wrap", "law", "more"),
    [
        (lets_all_pass, "test_refused_text_never_leaves", ("text",)),
        (judges_fragments, "test_refused_text_never_leaves", ("reasoning",)),
        (judges_fragments, "test_the_answer_is_the_same_wherever_it_is_cut", ("text",)),
        (judges_fragments, "test_a_refused_prompt_reaches_no_provider", ("tool_result",)),
        (goes_on_reading, "test_a_blocked_answer_ends_the_providers", ()),
        (altered(hides_findings), "test_refused_text_never_leaves", ("tool_call",)),
        (altered(names_no_source), "test_refused_text_never_leaves", ("text",)),
        (altered(quotes_it), "test_refused_text_never_leaves", ("text",)),
        (altered(calls_it_an_end), "test_other_choices_go_on", ()),
        (altered(drops_estimates), "test_a_blocked_answer_ends_the_providers", ()),
        (lets_all_pass, "test_other_choices_go_on", ()),
        (altered(hides_findings), "test_a_refused_prompt_reaches_no_provider", ("parts",)),
    ],
)
async def test_a_filter_that_breaks_a_law_fails_it(wrap, law, more):
    laws = Laws()
    laws.patience = 0.2
    with pytest.raises((AssertionError, TimeoutError)):
        await getattr(laws, law)(wrap, *more)
