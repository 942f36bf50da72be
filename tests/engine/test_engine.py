"""What the engine adds to a provider: fields, deadlines, filters, shutdown, tokens."""

import asyncio
import re
from contextlib import aclosing

import pytest
from dragoman import text_of, v1
from dragoman_service.engine.deadlines import Deadlines
from dragoman_service.engine.filtering import Filters
from dragoman_service.testing import Scripted, choice_finished, delta, tool_call
from engine_calls import answer, engine_of, error_of, model, request_of
from google.rpc import code_pb2

# Fields


async def test_fields_left_out_are_reported_in_the_answer_and_at_the_start():
    request = request_of()
    request.unsupported_field_policy = v1.UNSUPPORTED_FIELD_POLICY_WARN
    request.generation_config.presence_penalty = 1
    engine = engine_of()
    async with engine.relay(request, engine.call("me")) as relay:
        events = [event async for event in relay]

    assert [warning.field for warning in events[0].started.warnings] == ["generation_config.presence_penalty"]
    assert list(events[-1].finished.completion.warnings) == list(events[0].started.warnings)


async def test_an_error_before_the_start_is_the_only_event():
    request = request_of()
    request.generation_config.presence_penalty = 1
    engine = engine_of()
    events = []
    async with engine.relay(request, engine.call("me")) as relay:
        error = await error_of(_collect(relay, events))

    assert error.reason_name == "UNSUPPORTED_FIELD"
    assert [event.WhichOneof("event") for event in events] == ["finished"]
    assert events[0].sequence == 1


async def _collect(relay, events):
    async for event in relay:
        events.append(event)


async def test_labels_come_back():
    request = request_of()
    request.labels["team"] = "a"

    assert dict((await answer(engine_of(), request)).labels) == {"team": "a"}


# Tool calls


async def test_a_tool_call_without_an_id_gets_one_and_stream_and_answer_agree_on_it():
    first = tool_call(0, "{", name="now")
    provider = Scripted(
        first, tool_call(0, "}"), tool_call(1, name="then", call_id="mine"), tool_call(2, name="now"), choice_finished()
    )
    engine = engine_of({"p": provider})
    async with engine.relay(request_of("p/scripted"), engine.call("me", call_id="1")) as relay:
        events = [event async for event in relay]
    begun = [event.delta.tool_call.id for event in events if event.delta.tool_call.name]
    ids = [part.tool_call.id for part in events[-1].finished.completion.choices[0].message.parts]
    again = await answer(engine, request_of("p/scripted"), call_id="2")

    assert begun == ids
    assert ids[1] == "mine"
    assert len(set(ids)) == 3
    assert all(re.fullmatch("[a-zA-Z0-9]{9}", ids[at]) for at in (0, 2))
    assert again.choices[0].message.parts[0].tool_call.id not in ids, "another completion has other ids"
    assert not first.delta.tool_call.id, "the provider's event is left as it is"


async def test_filters_see_the_ids_that_callers_see():
    seen = []

    def spy(complete):
        async def spied(request, call):
            async for event in complete(request, call):
                seen.append(event.delta.tool_call.id)
                yield event

        return spied

    engine = engine_of({"p": Scripted(tool_call(0, "{}", name="now"), choice_finished())}, filters=Filters([spy]))
    completion = await answer(engine, request_of("p/scripted"))

    assert completion.choices[0].message.parts[0].tool_call.id in filter(None, seen)


# Time


@pytest.mark.parametrize(
    ("remaining", "seconds"), [(None, 5), (1, 1), (100, 10), (1e12, 10), (float("inf"), 10), (0, 0), (-1e9, 0)]
)
async def test_deadlines_are_defaulted_and_bounded(remaining, seconds):
    call = engine_of(deadlines=Deadlines(default=5, longest=10)).call("me", remaining=remaining)

    assert call.deadline - asyncio.get_running_loop().time() == pytest.approx(seconds, abs=0.05)


async def test_a_call_that_nobody_waits_for_has_the_longest_time():
    call = engine_of(deadlines=Deadlines(default=5, longest=10)).long_call("me", "op")

    assert call.deadline - asyncio.get_running_loop().time() == pytest.approx(10, abs=0.05)
    assert call.id == "op"


async def test_with_less_than_20_ms_left_no_upstream_is_called():
    provider = Scripted(choice_finished())
    engine = engine_of({"p": provider})
    error = await error_of(answer(engine, request_of("p/scripted"), remaining=0.019))

    assert error.code == code_pb2.DEADLINE_EXCEEDED
    assert not provider.requests


async def test_calls_have_ids_of_their_own():
    engine = engine_of()

    assert engine.call("me").id != engine.call("me").id


# Filters


def shouting(suffix):
    """A filter that adds to each text."""

    def wrap(complete):
        async def shout(request, call):
            async with aclosing(complete(request, call)) as events:
                async for event in events:
                    yield delta(event.delta.text + suffix) if event.HasField("delta") else event

        return shout

    return wrap


async def test_the_first_filter_is_the_outermost():
    engine = engine_of({"p": Scripted(delta("x"), choice_finished())}, filters=Filters([shouting("1"), shouting("2")]))

    assert text_of(await answer(engine, request_of("p/scripted"))) == "x21"


# Shutting down


class SlowToClose(Scripted):
    """Takes a moment to close its upstream."""

    cleaned = False

    async def complete(self, request, call):
        try:
            async with aclosing(super().complete(request, call)) as events:
                async for event in events:
                    yield event
        finally:
            await asyncio.sleep(0.02)
            self.cleaned = True


async def test_stopping_ends_running_completions_and_waits_for_the_upstreams():
    provider = SlowToClose(delta("x"), asyncio.Event().wait)
    engine = engine_of({"p": provider})
    events = []
    async with engine.relay(request_of("p/scripted"), engine.call("me")) as relay:
        reader = asyncio.create_task(_collect(relay, events))
        while len(events) < 2:
            await asyncio.sleep(0)
        engine.stop()
        error = await error_of(reader)
    await engine.closed(within=2)

    assert (error.code, error.reason_name, error.retryable) == (code_pb2.UNAVAILABLE, "SHUTTING_DOWN", True)
    assert [event.WhichOneof("event") for event in events] == ["started", "delta", "finished"]
    assert provider.cleaned


async def test_waiting_for_the_upstreams_has_an_end():
    engine = engine_of({"p": Scripted(asyncio.Event().wait)})
    async with engine.relay(request_of("p/scripted"), engine.call("me")):
        await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await engine.closed(within=0.01)
    await engine.closed(within=2)


# Tokens


async def test_tokens_are_counted_and_split_as_the_provider_does():
    engine = engine_of()
    counted = await engine.count_tokens(request_of(), engine.call("me"))
    by_request = await engine.tokenize(v1.TokenizeRequest(request=request_of()), engine.call("me"))
    by_text = await engine.tokenize(v1.TokenizeRequest(model="echo", text="one two three"), engine.call("me"))

    assert counted == v1.CountTokensResponse(input_tokens=3, tokenizer="echo")
    assert [token.text for token in by_text.tokens] == ["one", " two", " three"]
    assert by_request == by_text


async def test_a_model_without_a_tokenizer_is_refused():
    engine = engine_of({"p": Scripted()})
    counting = engine.count_tokens(request_of("p/scripted"), engine.call("me"))
    splitting = engine.tokenize(v1.TokenizeRequest(model="p/scripted", text="x"), engine.call("me"))

    for error in (await error_of(counting), await error_of(splitting)):
        assert (error.code, error.reason_name) == (code_pb2.UNIMPLEMENTED, "CAPABILITY_MISSING")
        assert error.metadata == {"model": "p/scripted", "provider": "p"}


class Counting(Scripted):
    """Counts with one step."""

    def __init__(self, step):
        super().__init__(model=model("scripted", capabilities=[v1.CAPABILITY_COUNT_TOKENS]))
        self.step = step

    async def count_tokens(self, request, call):
        return await self.step()

    async def tokenize(self, request, call):
        return v1.TokenizeResponse()


async def test_counting_ends_at_the_deadline():
    engine = engine_of({"p": Counting(asyncio.Event().wait)})
    error = await error_of(engine.count_tokens(request_of("p/scripted"), engine.call("me", remaining=0.05)))

    assert error.code == code_pb2.DEADLINE_EXCEEDED


async def test_a_timeout_of_the_tokenizer_itself_is_not_the_callers_deadline():
    async def give_up():
        raise TimeoutError

    engine = engine_of({"p": Counting(give_up)})
    error = await error_of(engine.count_tokens(request_of("p/scripted"), engine.call("me")))

    assert error.reason_name == "PLUGIN_FAILED"


async def test_hidden_reasoning_is_left_out_of_the_answer_and_its_state_comes_back():
    script = v1.Part(text='echo: {"text": "Yes", "reasoning": "because so", "reasoning_state": "signed"}')
    request = request_of(text="Why?")
    request.messages.insert(0, v1.Message(role=v1.ROLE_SYSTEM, parts=[script]))
    shown = await answer(engine_of(), request)
    request.generation_config.reasoning.visibility = v1.REASONING_VISIBILITY_HIDDEN
    hidden = await answer(engine_of(), request)

    reasoning, text = shown.choices[0].message.parts
    assert (reasoning.reasoning.text, reasoning.state, text.text) == ("because so", b"signed", "Yes")
    reasoning, text = hidden.choices[0].message.parts
    assert (reasoning.reasoning.text, reasoning.state, text.text) == ("", b"signed", "Yes")
