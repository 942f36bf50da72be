"""`echo` makes the tool calls of its script."""

import pytest
from dragoman import text_of, v1
from dragoman_service.providers.echo.provider import split
from echo_asking import answer_to, events_of, request_of

WEATHER = {"name": "weather", "arguments": {"city": "Oslo"}}
NOW = {"name": "now", "id": "mine", "arguments": "no JSON"}


def with_tools(script=None, text="Rain?", **choice):
    request = request_of(text, script)
    for name in ("weather", "now"):
        request.tools.add().function.name = name
    if choice:
        request.tool_choice.MergeFrom(v1.ToolChoice(**choice))
    return request


def calls_of(completion):
    return [(part.tool_call.name, part.tool_call.arguments_json) for part in completion.choices[0].message.parts]


async def test_scripted_tools_are_called_one_after_the_other_and_their_arguments_come_in_pieces():
    events = await events_of(with_tools({"tool_calls": [WEATHER, NOW], "chunk_size": 3}))

    assert [event.delta.tool_call for event in events if event.HasField("delta")] == [
        v1.ToolCallDelta(name="weather"),
        v1.ToolCallDelta(arguments_json='{"city'),
        v1.ToolCallDelta(arguments_json='": "'),
        v1.ToolCallDelta(arguments_json='Oslo"}'),
        v1.ToolCallDelta(index=1, id="mine", name="now"),
        v1.ToolCallDelta(index=1, arguments_json="no JSON"),
    ]
    assert events[-1].choice_finished.finish_reason == v1.FINISH_REASON_TOOL_CALLS


async def test_scripted_text_comes_before_the_calls():
    completion = await answer_to(with_tools({"tool_calls": [WEATHER], "text": "Let me look."}))

    assert [part.WhichOneof("content") for part in completion.choices[0].message.parts] == ["text", "tool_call"]


async def test_calls_are_tokens_too_and_may_be_cut_short():
    request = with_tools({"tool_calls": [WEATHER]})
    request.generation_config.max_output_tokens = 4
    completion = await answer_to(request)

    assert calls_of(completion) == [("weather", '{"city')]
    assert completion.choices[0].finish_reason == v1.FINISH_REASON_MAX_OUTPUT_TOKENS
    assert completion.usage.output_tokens == 4


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ({}, ["weather", "now"]),
        ({"mode": v1.ToolChoice.MODE_AUTO}, ["weather", "now"]),
        ({"mode": v1.ToolChoice.MODE_NONE}, []),
        ({"allowed_functions": ["now"]}, ["now"]),
        ({"parallel": False}, ["weather"]),
        ({"parallel": True}, ["weather", "now"]),
    ],
)
async def test_the_choice_among_tools_is_kept(choice, called):
    request = with_tools({"tool_calls": [WEATHER, NOW]}, **choice)
    completion = await answer_to(request)

    assert [name for name, _ in calls_of(completion) if name] == called


@pytest.mark.parametrize(("allowed", "called"), [([], "weather"), (["now"], "now")])
async def test_a_required_call_without_a_script_has_no_arguments(allowed, called):
    request = with_tools(mode=v1.ToolChoice.MODE_REQUIRED, allowed_functions=allowed)

    assert calls_of(await answer_to(request)) == [(called, "{}")]


async def test_without_tools_it_speaks():
    assert text_of(await answer_to(request_of("Rain?", {"tool_calls": [WEATHER]}))) == "Rain?"


async def test_it_answers_with_a_tool_result_and_makes_no_further_call():
    request = with_tools({"tool_calls": [WEATHER]})
    request.messages.add(role=v1.ROLE_ASSISTANT).parts.add().tool_call.name = "weather"
    request.messages.add(role=v1.ROLE_TOOL).parts.add().tool_result.text = "It rains."
    completion = await answer_to(request)

    assert text_of(completion) == "It rains."
    assert completion.usage.input_tokens == sum(
        len(split(part)) for part in (request.messages[0].parts[0].text, "Rain?", "It rains.")
    )
