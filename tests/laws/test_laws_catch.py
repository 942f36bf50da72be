"""The laws of providers catch those that break them."""

import asyncio
from contextlib import aclosing

import pytest
from dragoman import v1
from dragoman_service.providers.echo.provider import Echo, EchoSettings
from dragoman_service.providers.echo.script import EchoCall
from dragoman_service.testing import ProviderLaws, Scripted, choice_finished, delta, usage
from google.rpc import code_pb2


class Edited(Echo):
    """An echo whose events go through `edit`."""

    def __init__(self):
        super().__init__(EchoSettings(delay=0.002))

    async def complete(self, request, call):
        async with aclosing(super().complete(request, call)) as events:
            async for event in events:
                for edited in self.edit(event, call):
                    yield edited


class GoesOn(Edited):
    def edit(self, event, call):
        return [event, delta("and more")] if event.HasField("choice_finished") else [event]


class NeverEnds(Edited):
    def edit(self, event, call):
        return [] if event.HasField("choice_finished") else [event]


class GivesNoReason(Edited):
    def edit(self, event, call):
        return (
            [choice_finished(finish_reason=v1.FINISH_REASON_UNSPECIFIED)]
            if event.HasField("choice_finished")
            else [event]
        )


class SaysStarted(Edited):
    def edit(self, event, call):
        return [v1.CompletionEvent(started=v1.Started()), event] if event.HasField("usage") else [event]


class SendsNothings(Edited):
    def edit(self, event, call):
        return [event, delta("")] if event.HasField("delta") else [event]


class UsesOneEvent(Edited):
    def __init__(self):
        super().__init__()
        self.event = v1.CompletionEvent()

    def edit(self, event, call):
        self.event.CopyFrom(event)
        return [self.event]


class MindsTheHint(Edited):
    def edit(self, event, call):
        return [delta(event.delta.text.upper())] if event.HasField("delta") and call.streaming else [event]


class CountsBackwards(Edited):
    def edit(self, event, call):
        return [usage(99, 99), event] if event.HasField("usage") else [event]


class CannotAdd(Edited):
    def edit(self, event, call):
        return (
            [v1.CompletionEvent(usage=v1.Usage(input_tokens=9, output_tokens=1))]
            if event.HasField("usage")
            else [event]
        )


class IgnoresTheLimit(Echo):
    async def complete(self, request, call):
        request.generation_config.ClearField("max_output_tokens")
        async with aclosing(super().complete(request, call)) as events:
            async for event in events:
                yield event


class OneAtATime(Echo):
    def __init__(self):
        super().__init__(EchoSettings(delay=0.002))
        self.lock = asyncio.Lock()

    async def complete(self, request, call):
        async with self.lock, aclosing(super().complete(request, call)) as events:
            async for event in events:
                yield event


class WorksOn(Echo):
    """Its upstream does not learn that the reader has left."""

    def __init__(self):
        super().__init__(EchoSettings(delay=0.002))
        self.upstream = 0

    async def complete(self, request, call):
        self.upstream += 1
        async with aclosing(super().complete(request, call)) as events:
            async for event in events:
                yield event
        self.upstream -= 1


class RaisesAnything(Echo):
    async def complete(self, request, call):
        raise ValueError
        yield


class Told(Echo):
    """An echo that gets another request than the caller sent."""

    async def complete(self, request, call):
        self.edit(request)
        async with aclosing(super().complete(request, call)) as events:
            async for event in events:
                yield event


class CallsNoTool(Told):
    def edit(self, request):
        request.ClearField("tool_choice")


class CallsWhatItLikes(Told):
    def edit(self, request):
        del request.tool_choice.allowed_functions[:]


class AlwaysCalls(Told):
    def edit(self, request):
        request.tool_choice.mode = v1.ToolChoice.MODE_REQUIRED


class ReadsNoPrompt(Told):
    def edit(self, request):
        request.ClearField("prompt")


class AlwaysThinks(Told):
    def __init__(self):
        super().__init__(EchoSettings(reasoning="Hm."))

    def edit(self, request):
        request.generation_config.ClearField("reasoning")


class SaysStopAfterCalls(Edited):
    def edit(self, event, call):
        return [choice_finished()] if event.HasField("choice_finished") else [event]


class StammersNames(Edited):
    def edit(self, event, call):
        if event.delta.HasField("tool_call"):
            event.delta.tool_call.name = "weather"
        return [event]


class SendsIdsLate(Edited):
    def edit(self, event, call):
        if event.delta.HasField("tool_call"):
            event.delta.tool_call.id = "" if event.delta.tool_call.name else "late"
        return [event]


class WritesNoJson(Echo):
    def __init__(self):
        calls = [EchoCall(name="weather", arguments="Paris, please"), EchoCall(name="local_time", arguments="{}")]
        super().__init__(EchoSettings(tool_calls=calls))


class ForgetsResults(Told):
    def edit(self, request):
        request.messages[-1].parts[-1].ClearField("tool_result")


class ForgetsNamed(Told):
    """Claims that participants can be named, and gives no answer if one is."""

    def models(self):
        (model,) = super().models()
        model.supported_fields.append("messages.author")
        return [model]

    def edit(self, request):
        request.messages[0].parts[0].text = ""


class HoldsBackWhatItLacks(Echo):
    def models(self):
        (model,) = super().models()
        model.conversation_fields.append("messages.author")
        return [model]


BREAKERS = {
    HoldsBackWhatItLacks: "the_models_say_what_they_are",
    ForgetsResults: "what_came_of_a_call_can_be_sent_back",
    ForgetsNamed: "a_participant_can_be_named",
    CallsNoTool: "a_required_tool_is_called_with_json_arguments",
    SaysStopAfterCalls: "a_required_tool_is_called_with_json_arguments",
    WritesNoJson: "a_required_tool_is_called_with_json_arguments",
    StammersNames: "a_tool_call_is_named_once_and_its_pieces_are_not_mixed_with_those_of_others",
    SendsIdsLate: "a_tool_call_is_named_once_and_its_pieces_are_not_mixed_with_those_of_others",
    CallsWhatItLikes: "only_allowed_tools_are_called",
    AlwaysCalls: "no_tool_is_called_where_none_shall_be",
    ReadsNoPrompt: "a_prompt_is_gone_on_with_as_it_stands",
    AlwaysThinks: "a_model_told_not_to_think_does_not",
    GoesOn: "the_last_event_of_a_choice_and_only_the_last_is_its_end",
    NeverEnds: "the_last_event_of_a_choice_and_only_the_last_is_its_end",
    GivesNoReason: "the_last_event_of_a_choice_and_only_the_last_is_its_end",
    SaysStarted: "the_last_event_of_a_choice_and_only_the_last_is_its_end",
    SendsNothings: "no_event_is_empty",
    UsesOneEvent: "an_event_handed_on_is_never_touched_again",
    RaisesAnything: "failure_is_a_completion_error",
    WorksOn: "closing_the_iterator_stops_the_upstream",
    OneAtATime: "calls_run_side_by_side",
    MindsTheHint: "the_streaming_hint_does_not_change_the_answer",
    CountsBackwards: "usage_is_a_running_total_that_adds_up",
    CannotAdd: "usage_is_a_running_total_that_adds_up",
    IgnoresTheLimit: "max_output_tokens_is_kept",
}


class Laws(ProviderLaws):
    patience = 0.5
    stops_within = 0.2

    def failing_request(self, provider):
        request = self.request(provider)
        request.messages.add(role=v1.ROLE_SYSTEM).parts.add(text='echo: {"fail_after": 2}')
        return request

    async def running(self, provider):
        return getattr(provider, "upstream", provider.running)


@pytest.mark.parametrize(("breaker", "law"), BREAKERS.items(), ids=lambda case: getattr(case, "__name__", ""))
async def test_a_provider_that_breaks_a_law_is_caught(breaker, law):
    with pytest.raises((AssertionError, TimeoutError, pytest.fail.Exception)):
        await getattr(Laws(), f"test_{law}")(breaker())


async def test_a_provider_that_cannot_be_cancelled_is_caught():
    with pytest.raises(pytest.fail.Exception):
        await Laws().test_cancelling_the_reader_stops_the_upstream(WorksOn())


async def test_a_missing_hook_is_named():
    class Bare(ProviderLaws):
        pass

    with pytest.raises(NotImplementedError, match="override failing_request"):
        await Bare().test_failure_is_a_completion_error(Echo())
    with pytest.raises(NotImplementedError, match="override running"):
        await Bare().test_closing_the_iterator_stops_the_upstream(Echo())


async def test_a_law_about_an_unclaimed_field_is_skipped():
    provider = Scripted(delta("a"), delta("b"), choice_finished())
    for law in (
        "max_output_tokens_is_kept",
        "the_counted_tokens_are_those_used",
        "logprobs_spell_the_answer",
        "a_required_tool_is_called_with_json_arguments",
        "what_came_of_a_call_can_be_sent_back",
        "a_prompt_is_gone_on_with_as_it_stands",
        "a_participant_can_be_named",
        "a_model_told_not_to_think_does_not",
    ):
        with pytest.raises(pytest.skip.Exception):
            await getattr(Laws(), f"test_{law}")(provider)


class ForeignError(Exception):
    code, reason, message = code_pb2.UNAVAILABLE, v1.ERROR_REASON_PROVIDER_UNAVAILABLE, "Away."


async def test_an_error_of_the_plugins_own_with_the_right_attributes_is_lawful():
    await Laws().test_failure_is_a_completion_error(Scripted(ForeignError()))
