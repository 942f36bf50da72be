"""Decoding the answers of Yandex's service."""

from __future__ import annotations

import pytest
from dragoman import v1
from dragoman.dialect.yandex import v1 as y
from dragoman_service.contract import CompletionError
from dragoman_service.dialects.contract import IncompleteAnswerError
from dragoman_service.dialects.yandex.client.response import AnswerDecoder

PARTIAL = y.Alternative.ALTERNATIVE_STATUS_PARTIAL
FINAL = y.Alternative.ALTERNATIVE_STATUS_FINAL
TRUNCATED = y.Alternative.ALTERNATIVE_STATUS_TRUNCATED_FINAL


def piece(text: str, status: int = PARTIAL, used: int = 0) -> y.CompletionResponse:
    said = y.Alternative(message=y.Message(role="assistant", text=text), status=status)
    usage = y.ContentUsage(input_text_tokens=4, completion_tokens=used, total_tokens=4 + used) if used else None
    return y.CompletionResponse(alternatives=[said], usage=usage, model_version="23.10.2024")


def decoded(*pieces: y.CompletionResponse, asked: int = 0) -> list[v1.CompletionEvent]:
    decoder = AnswerDecoder(asked)
    events = [event for one in pieces for event in decoder.feed(one)]
    return [*events, *decoder.end()]


def test_growing_texts_become_deltas():
    events = decoded(piece("one", used=1), piece("one two", used=2), piece("one two", FINAL, 2))
    *_, end = events

    assert [event.delta.text for event in events if event.HasField("delta")] == ["one", " two"]
    assert [event.usage.output_tokens for event in events if event.HasField("usage")] == [1, 2]
    assert end.choice_finished.finish_reason == v1.FINISH_REASON_STOP
    assert end.choice_finished.provider_finish_reason == "ALTERNATIVE_STATUS_FINAL"
    assert end.choice_finished.system_fingerprint == "23.10.2024"


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (3, v1.FINISH_REASON_MAX_OUTPUT_TOKENS),
        (9, v1.FINISH_REASON_CONTEXT_LENGTH),
        (0, v1.FINISH_REASON_MAX_OUTPUT_TOKENS),
    ],
)
def test_an_answer_shorter_than_allowed_was_cut_by_another_limit(asked, reason):
    *_, end = decoded(piece("x", TRUNCATED, 3), asked=asked)

    assert end.choice_finished.finish_reason == reason


def test_a_status_of_tomorrow_is_an_end_like_others():
    *_, end = decoded(piece("x", 77))

    assert end.choice_finished.finish_reason == v1.FINISH_REASON_OTHER
    assert end.choice_finished.provider_finish_reason == "77"


def test_calls_come_with_their_arguments_as_json():
    calls = y.ToolCallList()
    for number in (1, 2):
        calls.tool_calls.add().function_call.name = "f"
        calls.tool_calls[-1].function_call.arguments.update({"n": number})
    said = y.Alternative(message=y.Message(tool_call_list=calls), status=y.Alternative.ALTERNATIVE_STATUS_TOOL_CALLS)
    first, second, end = decoded(y.CompletionResponse(alternatives=[said]))

    assert [e.delta.tool_call.index for e in (first, second)] == [0, 1]
    assert [e.delta.tool_call.arguments_json for e in (first, second)] == ['{"n":1}', '{"n":2}']
    assert end.choice_finished.finish_reason == v1.FINISH_REASON_TOOL_CALLS


@pytest.mark.parametrize(
    "pieces",
    [
        [piece("one two"), piece("one")],
        [piece("one"), piece("two three")],
        [piece("one", FINAL), piece("one two", FINAL)],
        [y.CompletionResponse(alternatives=[y.Alternative(), y.Alternative()])],
        [y.CompletionResponse(usage=y.ContentUsage(input_text_tokens=2**63 - 1, completion_tokens=1))],
        [y.CompletionResponse(usage=y.ContentUsage(completion_tokens=-1))],
        [
            y.CompletionResponse(
                alternatives=[
                    y.Alternative(message=y.Message(tool_call_list=y.ToolCallList(tool_calls=[y.ToolCall()])))
                ]
            )
        ],
    ],
    ids=[
        "shrinks",
        "changes",
        "goes on after its end",
        "two answers",
        "too many tokens",
        "fewer than no tokens",
        "a call of nothing",
    ],
)
def test_what_makes_no_sense_is_malformed(pieces):
    with pytest.raises(CompletionError) as caught:
        decoded(*pieces)

    assert caught.value.reason == v1.ERROR_REASON_PROVIDER_MALFORMED


@pytest.mark.parametrize("pieces", [[], [piece("one")], [y.CompletionResponse()]])
def test_an_answer_without_an_end_is_no_answer(pieces):
    with pytest.raises(IncompleteAnswerError):
        decoded(*pieces)
