"""`echo` answers as it is scripted."""

import asyncio
from contextlib import aclosing

import pytest
from dragoman import text_of, v1
from dragoman_service.contract import CompletionError
from dragoman_service.plugins.tables import read_table
from dragoman_service.providers.echo.provider import Echo, EchoSettings, open_echo, split
from echo_asking import CALL, answer_to, deltas, events_of, refused, request_of
from google.rpc import code_pb2
from hypothesis import given
from hypothesis import strategies as st

# Without a script


async def test_it_answers_with_the_last_message_of_the_user_one_token_a_delta():
    request = request_of("not this")
    request.messages.add(role=v1.ROLE_ASSISTANT).parts.add(text="nor this")
    request.messages.add(role=v1.ROLE_USER, parts=[v1.Part(text="Hello,"), v1.Part(text="wörld!")])
    request.messages.add(role=v1.ROLE_DATA).parts.add(text="nor that")
    events = await events_of(request)

    assert deltas(events) == ["Hello", ",", "\nwörld", "!"]
    assert events[-2].usage == v1.Usage(input_tokens=10, output_tokens=4, total_tokens=14)
    assert events[-1].choice_finished.finish_reason == v1.FINISH_REASON_STOP


async def test_without_a_user_it_answers_with_the_last_message():
    request = v1.CompletionRequest(model="echo")
    request.messages.add(role=v1.ROLE_DEVELOPER).parts.add(text="Be brief.")
    request.messages.add(role=v1.ROLE_SYSTEM).parts.add(text="echo: {}")

    assert text_of(await answer_to(request)) == "Be brief."


@given(st.text())
def test_tokens_joined_are_the_text(text):
    assert "".join(split(text)) == text
    assert all(0 < len(token) <= 32 for token in split(text))


@given(st.text(max_size=50), st.integers(1, 10))
def test_the_answer_cut_short_has_exactly_that_many_tokens(text, most):
    completion = asyncio.run(answer_to(request_of(text, max_output_tokens=most)))
    tokens = split(text)

    assert text_of(completion) == "".join(tokens[:most])
    assert completion.usage.output_tokens == min(most, len(tokens))
    assert completion.choices[0].finish_reason == (
        v1.FINISH_REASON_MAX_OUTPUT_TOKENS if len(tokens) > most else v1.FINISH_REASON_STOP
    )


@given(st.text("ab c", max_size=30), st.lists(st.text("ab c", min_size=1, max_size=4), min_size=1, max_size=3))
def test_the_answer_ends_before_a_stop_sequence(text, stops):
    completion = asyncio.run(answer_to(request_of(text, stop_sequences=stops)))
    choice, said = completion.choices[0], text_of(completion)

    assert not any(stop in said for stop in stops)
    assert completion.usage.output_tokens == len(split(said))
    if choice.finish_reason == v1.FINISH_REASON_STOP_SEQUENCE:
        assert text.startswith(said + choice.matched_stop_sequence)
        assert choice.matched_stop_sequence in stops
    else:
        assert said == text


async def test_a_stop_sequence_over_several_tokens_ends_the_answer():
    events = await events_of(request_of("one two three four", stop_sequences=["wo th"]))

    assert deltas(events) == ["one", " t"]
    assert events[-1].choice_finished.matched_stop_sequence == "wo th"


async def test_a_stop_sequence_beyond_the_limit_is_not_reached():
    completion = await answer_to(request_of("one two three", stop_sequences=["three"], max_output_tokens=2))

    assert completion.choices[0].finish_reason == v1.FINISH_REASON_MAX_OUTPUT_TOKENS


async def test_choices_take_turns_and_cost_together():
    events = await events_of(request_of("a b", choice_count=2))
    completion = await answer_to(request_of("a b", choice_count=2))

    assert [event.delta.choice_index for event in events if event.HasField("delta")] == [0, 1, 0, 1]
    assert [text_of(completion, index) for index in (0, 1)] == ["a b", "a b"]
    assert completion.usage.output_tokens == 4


async def test_logprobs_come_on_request():
    script = {"logprob": -0.5}
    completion = await answer_to(request_of("a b", script, include_logprobs=True, top_logprobs=2))
    without = await answer_to(request_of("a b", script))

    first, second = completion.choices[0].logprobs
    assert (first.token, first.logprob, first.bytes) == ("a", -0.5, b"a")
    assert [(top.token, top.logprob) for top in second.top_logprobs] == [(" b", -0.5), (" b1", -1.5)]
    assert not without.choices[0].logprobs


# With a script


async def test_a_script_sets_the_text_and_the_size_of_the_deltas():
    events = await events_of(request_of(script={"text": "a b c d e", "chunk_size": 2}))

    assert deltas(events) == ["a b", " c d", " e"]


async def test_reasoning_and_refusals_can_be_scripted():
    completion = await answer_to(request_of(script={"reasoning": "Hm. No.", "refusal": "I will not."}))

    assert list(completion.choices[0].message.parts) == [
        v1.Part(reasoning=v1.Reasoning(text="Hm. No.")),
        v1.Part(refusal="I will not."),
    ]
    assert completion.choices[0].finish_reason == v1.FINISH_REASON_REFUSAL


async def test_reasoning_counts_among_the_output_tokens():
    completion = await answer_to(request_of("a b c", {"reasoning": "x y"}, max_output_tokens=3))

    assert (completion.choices[0].message.parts[0].reasoning.text, text_of(completion)) == ("x y", "a")


@pytest.mark.parametrize("name", [name for name in v1.FinishReason.keys() if v1.FinishReason.Value(name)])  # noqa: SIM118
async def test_every_finish_reason_can_be_scripted(name):
    completion = await answer_to(request_of(script={"finish_reason": name.removeprefix("FINISH_REASON_")}))

    assert completion.choices[0].finish_reason == v1.FinishReason.Value(name)


async def test_usage_can_be_kept_back():
    assert not any(event.HasField("usage") for event in await events_of(request_of(script={"usage": False})))


@pytest.mark.parametrize(("after", "said"), [(0, []), (2, ["one", " two"]), (99, ["one", " two", " three"])])
async def test_failure_comes_after_as_many_deltas_as_scripted(after, said):
    script = {"fail_after": after, "fail_code": "RESOURCE_EXHAUSTED", "fail_reason": "PROVIDER_RATE_LIMITED"}
    echo, events = Echo(), []
    with pytest.raises(CompletionError) as caught:
        async with aclosing(echo.complete(request_of(script=script | {"fail_retry_after": "2s"}), CALL)) as answer:
            async for event in answer:
                events.append(event)

    assert deltas(events) == said
    assert events[-1].usage.output_tokens == len(said)
    assert (caught.value.code, caught.value.reason_name) == (code_pb2.RESOURCE_EXHAUSTED, "PROVIDER_RATE_LIMITED")
    assert (caught.value.retryable, caught.value.retry_after) == (True, 2.0)
    assert (echo.started, echo.failed, echo.running) == (1, 1, 0)


async def test_delays_are_kept():
    clock = asyncio.get_running_loop().time
    begin = clock()
    times = []
    async with aclosing(Echo().complete(request_of(script={"first_delay": "60ms", "delay": "20ms"}), CALL)) as events:
        async for event in events:
            if event.HasField("delta"):
                times.append(clock() - begin)

    assert times[0] >= 0.06
    assert times[2] >= 0.1


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("{", "invalid JSON"),
        ("", "invalid JSON"),
        ("[]", "a JSON object: should be a table"),
        ('{"txt": "x"}', "txt: unknown key; did you mean 'text'?"),
        ('{"chunk_size": 0}', "chunk_size: should be at least 1"),
        ('{"delay": "soon"}', "delay: should be a number with a unit"),
        ('{"finish_reason": "BORED"}', "finish_reason: must be one of STOP, "),
        ('{"fail_code": "OK"}', "fail_code: must be one of CANCELLED, "),
        ('{"text": "\\ud800"}', "invalid JSON"),
        ('{"tool_calls": [{"name": ""}]}', "tool_calls.0.name: "),
        ('{"logprob": 1}', "logprob: should be at most 0"),
    ],
)
async def test_a_bad_script_is_rejected_with_the_allowed_values(script, told):
    request = request_of()
    request.messages.add(role=v1.ROLE_DEVELOPER).parts.add(text="echo:" + script)
    error = await refused(request)

    assert error.reason_name == "INVALID_FIELD"
    assert error.fields[0].field == "messages[1]"
    assert told in error.fields[0].description


async def test_all_mistakes_in_a_script_are_reported_at_once():
    error = await refused(request_of(script={"chunk_size": 0, "usage": "perhaps", "txt": ""}))

    assert len(error.fields) == 3


async def test_only_instructions_are_scripts():
    assert text_of(await answer_to(request_of('echo: {"text": "x"}'))) == 'echo: {"text": "x"}'


# Prompts and reasoning


async def test_it_answers_with_the_prompt():
    completion = await answer_to(v1.CompletionRequest(model="echo", prompt="Once upon"))

    assert (text_of(completion), completion.usage.input_tokens) == ("Once upon", 2)


async def test_the_effort_none_turns_reasoning_off():
    none = v1.ReasoningConfig(effort=v1.REASONING_EFFORT_NONE)
    low = v1.ReasoningConfig(effort=v1.REASONING_EFFORT_LOW)
    silent = await answer_to(request_of("a", {"reasoning": "x y"}, reasoning=none))
    loud = await answer_to(request_of("a", {"reasoning": "x y"}, reasoning=low))

    assert [part.WhichOneof("content") for part in silent.choices[0].message.parts] == ["text"]
    assert (silent.usage.reasoning_tokens, loud.usage.reasoning_tokens) == (0, 2)


# In the settings


async def test_the_settings_script_all_requests_and_a_script_overrides_them():
    table = {"text": "a b", "chunk_size": 2, "delay": "1ms", "finish_reason": "OTHER"}
    async with open_echo(read_table(open_echo, table)) as echo:
        plain = await events_of(request_of(), echo)
        scripted = await events_of(request_of(script={"text": "c d"}), echo)

    assert (deltas(plain), deltas(scripted)) == (["a b"], ["c d"])
    assert scripted[-1].choice_finished.finish_reason == v1.FINISH_REASON_OTHER


# Counters


async def test_its_counters_count_calls_by_their_outcome():
    echo = Echo()
    await events_of(request_of(), echo)
    async with aclosing(echo.complete(request_of(), CALL)) as events:
        await anext(events)

        assert (echo.started, echo.running, echo.finished, echo.closed) == (2, 1, 1, 0)
    assert (echo.started, echo.running, echo.finished, echo.closed) == (2, 0, 1, 1)


async def test_without_delays_other_tasks_get_their_turn():
    turns = 0

    async def count():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await events_of(request_of("word " * 1000))
    counting.cancel()

    assert turns >= 10


async def test_the_same_text_has_the_same_tokens():
    request = v1.TokenizeRequest(model="echo", text="a b a")
    first, second = await Echo().tokenize(request, CALL), await Echo(EchoSettings(delay=1)).tokenize(request, CALL)

    assert first == second
    assert len({token.id for token in first.tokens}) == 3
