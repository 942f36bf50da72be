"""The laws of filters catch what breaks them."""

from contextlib import aclosing

import pytest
from dragoman import v1
from dragoman_service.contract import CompletionError
from dragoman_service.testing import FilterLaws, choice_finished, delta


def changing(change):
    """The filter that passes on what `change` yields for each event."""

    def wrap(complete):
        state = {}

        async def changed(request, call):
            async with aclosing(complete(request, call)) as events:
                async for event in events:
                    for other in change(event, state):
                        yield other

        return changed

    return wrap


def starts_twice(event, _):
    yield event
    if event.HasField("started"):
        yield event


def ends_never(event, _):
    if not event.HasField("choice_finished"):
        yield event


def adds_an_empty_delta(event, _):
    yield event
    if event.HasField("choice_finished"):
        yield choice_finished(7)
        yield delta("")


def moves_text_behind_tools(event, state):
    if event.delta.text:
        state["held"] = event
    else:
        yield event
    if event.delta.HasField("tool_call") and "held" in state:
        yield state.pop("held")


def drops_usage(event, _):
    if not event.HasField("usage"):
        yield event


def capitalizes_each_piece(event, _):
    yield delta(event.delta.text.capitalize()) if event.delta.text else event


def changes_the_event(event, _):
    if event.delta.text:
        event.delta.text = event.delta.text.upper()
    yield event


def mixes_calls(event, state):
    state["text"] = state.get("text", "") + event.delta.text
    yield delta(state["text"]) if event.delta.text else event


def changes_the_request(complete):
    def changed(request, call):
        request.end_user = "someone"
        return complete(request, call)

    return changed


def hides_errors(complete):
    async def hidden(request, call):
        try:
            async for event in complete(request, call):
                yield event
        except CompletionError:
            yield v1.CompletionEvent(choice_finished=v1.ChoiceFinished(finish_reason=v1.FINISH_REASON_STOP))

    return hidden


def shouts_to_streams(complete):
    async def shouted(request, call):
        async with aclosing(complete(request, call)) as events:
            async for event in events:
                yield delta(event.delta.text.upper()) if event.delta.text and call.streaming else event

    return shouted


def closes_nothing(complete):
    async def unclosed(request, call):
        events = complete(request, call)
        kept.append(events)
        async for event in events:
            yield event

    kept = []
    return unclosed


@pytest.mark.parametrize(
    ("wrap", "law", "more"),
    [
        (changing(starts_twice), "test_the_first_event_is_started_and_there_is_only_one", ()),
        (changing(ends_never), "test_the_last_event_of_a_choice_and_only_the_last_is_its_end", ()),
        (changing(adds_an_empty_delta), "test_no_event_is_empty_or_the_services", ()),
        (changing(moves_text_behind_tools), "test_the_parts_of_an_answer_keep_their_order", ()),
        (changing(drops_usage), "test_usage_arrives", ()),
        (changing(capitalizes_each_piece), "test_the_answer_does_not_depend_on_how_its_text_is_cut", ()),
        (changing(changes_the_event), "test_the_providers_events_are_not_changed", ()),
        (changes_the_request, "test_the_request_is_not_changed", ()),
        (hides_errors, "test_an_error_of_the_provider_passes", ((),)),
        (closes_nothing, "test_closing_the_iterator_closes_the_providers", ()),
        (changing(mixes_calls), "test_calls_run_concurrently", ()),
        (shouts_to_streams, "test_the_streaming_hint_does_not_change_the_answer", ()),
    ],
)
async def test_a_filter_that_breaks_a_law_fails_it(wrap, law, more):
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        await getattr(FilterLaws(), law)(wrap, *more)
