"""Assembling tool calls from what servers send, in pieces and complete."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dragoman import v1
from dragoman_service.dialects.openai.client.response import AnswerDecoder
from dragoman_service.errors import CompletionError


def piece(index: int | None = None, id_: str | None = None, name: str | None = None, arguments: Any = None) -> Any:
    function = {"name": name, "arguments": arguments}
    call = {"index": index, "id": id_, "function": {key: value for key, value in function.items() if value is not None}}
    return {key: value for key, value in call.items() if value is not None}


def deltas(*chunks: list[Any]) -> list[v1.ToolCallDelta]:
    decoder = AnswerDecoder()
    events = []
    for calls in chunks:
        events += decoder.decode([json.dumps({"choices": [{"index": 0, "delta": {"tool_calls": calls}}]}).encode()])
    decoder.decode([b'{"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}'])
    events += [event for event in decoder.end() if event.HasField("delta")]
    return [event.delta.tool_call for event in events]


def joined(*chunks: list[Any]) -> list[tuple[str, str, str]]:
    """The id, name and arguments of each call, assembled from its deltas as the schema says."""
    calls: list[list[str]] = []
    for delta in deltas(*chunks):
        if delta.index == len(calls):
            calls.append([delta.id, delta.name, ""])
        assert delta.index == len(calls) - 1, "the pieces of calls are not mixed"
        calls[-1][2] += delta.arguments_json
    return [(id_, name, arguments) for id_, name, arguments in calls]


PARIS, ROME = '{"city": "Paris"}', '{"city": "Rome"}'
BOTH = [("a", "weather", PARIS), ("b", "weather", ROME)]


def test_the_first_piece_has_the_id_and_the_name_and_later_ones_the_arguments() -> None:
    first, second, third = deltas(
        [piece(0, "a", "weather", "")], [piece(0, arguments='{"ci')], [piece(0, arguments='ty": 1}')]
    )

    assert (first.index, first.id, first.name, first.arguments_json) == (0, "a", "weather", "")
    assert (second.id, second.name, second.arguments_json + third.arguments_json) == ("", "", '{"city": 1}')


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param(
            [[piece(0, "a", "weather", PARIS[:5])], [piece(0, arguments=PARIS[5:])], [piece(1, "b", "weather", ROME)]],
            id="one after the other",
        ),
        pytest.param([[piece(0, "a", "weather", PARIS), piece(1, "b", "weather", ROME)]], id="whole in one chunk"),
        pytest.param([[piece(None, "a", "weather", PARIS), piece(None, "b", "weather", ROME)]], id="without numbers"),
        pytest.param([[piece(0, "a", "weather", PARIS)], [piece(0, "b", "weather", ROME)]], id="all number 0"),
        pytest.param(
            [[piece(0, "a", "weather", json.loads(PARIS))], [piece(1, "b", "weather", json.loads(ROME))]],
            id="arguments as an object",
        ),
        pytest.param(
            [
                [piece(0, "a", "weather", PARIS[:5])],
                [piece(0, "a", "weather", PARIS[5:])],
                [piece(1, "b", "weather", ROME)],
            ],
            id="id and name in each piece",
        ),
        pytest.param(
            [
                [piece(None, "a", "weather", PARIS[:5])],
                [piece(None, arguments=PARIS[5:])],
                [piece(None, "b", "weather", ROME)],
            ],
            id="pieces without numbers",
        ),
        pytest.param(
            [[piece(0, "a", None, "")], [piece(0, None, "weather", PARIS)], [piece(1, "b", "weather", ROME)]],
            id="name later",
        ),
        pytest.param(
            [
                [piece(0, "a", "weather", PARIS[:5])],
                [piece(1, "b", "weather", ROME[:3])],
                [piece(0, arguments=PARIS[5:])],
                [piece(1, arguments=ROME[3:])],
                [piece(0)],
            ],
            id="mixed",
        ),
    ],
)
def test_calls_are_told_apart_however_the_server_marks_them(chunks: list[list[Any]]) -> None:
    assert joined(*chunks) == BOTH


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([[piece(None, None, "weather", PARIS), piece(None, None, "weather", ROME)]], id="no number"),
        pytest.param([[piece(0, None, "weather", PARIS)], [piece(0, None, "weather", ROME)]], id="all number 0"),
        pytest.param([[piece(0, None, "weather", PARIS)], [piece(1, None, "weather", ROME)]], id="numbers"),
    ],
)
def test_calls_without_ids_get_none(chunks: list[list[Any]]) -> None:
    assert joined(*chunks) == [("", "weather", PARIS), ("", "weather", ROME)]


def test_a_call_without_arguments_is_one() -> None:
    assert joined([piece(0, "a", "now")], [piece(0)]) == [("a", "now", "{}")]


def test_arguments_that_a_limit_cut_off_stay_absent() -> None:
    decoder = AnswerDecoder()
    call = {"choices": [{"index": 0, "delta": {"tool_calls": [piece(0, "a", "now", "")]}, "finish_reason": "length"}]}
    decoder.decode([json.dumps(call).encode()])

    assert [event.delta.tool_call.arguments_json for event in decoder.end() if event.HasField("delta")] == []


def test_a_function_call_of_old_is_a_call_without_an_id() -> None:
    decoder = AnswerDecoder()
    message = {"content": None, "function_call": {"name": "weather", "arguments": PARIS}}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "function_call"}]}
    events = decoder.decode([json.dumps(body).encode()]) + decoder.end()

    assert events[0].delta.tool_call == v1.ToolCallDelta(name="weather", arguments_json=PARIS)
    assert events[1].choice_finished.finish_reason == v1.FINISH_REASON_TOOL_CALLS


def test_arguments_that_are_no_json_are_shown_as_they_are() -> None:
    assert joined([piece(0, "a", "weather", '{"city": Par')]) == [("a", "weather", '{"city": Par')]


def test_incomplete_calls_are_passed_on_at_the_end() -> None:
    mixed = [[piece(0, "a", "f", "{")], [piece(1, "b", "g", "[")], [piece(0, arguments="x")], [piece(1, arguments="y")]]

    assert joined(*mixed) == [("a", "f", "{x"), ("b", "g", "[y")]


def test_a_call_after_a_complete_one_is_passed_on_as_it_comes() -> None:
    pieces = [piece(0, "a", "f", "{}"), piece(1, "b", "g", "{"), piece(1, arguments="}")]

    assert len(deltas(*([one] for one in pieces))) == 3


def test_pieces_that_came_together_are_one_event() -> None:
    arguments = [piece(0, arguments=letter) for letter in PARIS]

    assert len(deltas([piece(0, "a", "weather", ""), *arguments])) == 2


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([[piece(0, "a", "f", "{}"), piece(1, "b", "f")], [piece(0, arguments="x")]], id="after its end"),
        pytest.param([[piece(0, "a", None, "{}")]], id="no name"),
        pytest.param([["f"]], id="no object"),
        pytest.param([[{"index": 0, "id": 5, "function": {"name": "f"}}]], id="no id"),
        pytest.param([[{"index": 0, "id": "a", "function": "f"}]], id="no function"),
    ],
)
def test_calls_that_make_no_sense_are_malformed(chunks: list[list[Any]]) -> None:
    with pytest.raises(CompletionError) as refused:
        deltas(*chunks)

    assert refused.value.reason == v1.ERROR_REASON_PROVIDER_MALFORMED
