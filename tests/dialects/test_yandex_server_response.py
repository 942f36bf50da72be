"""Answers of Yandex's API, as its programs read them."""

from __future__ import annotations

import pytest
from dragoman import v1
from dragoman.dialect.yandex import v1 as y
from dragoman_service.contract import CompletionError
from dragoman_service.dialects.yandex.server.response import MessageEncoder, encode_completion

Status = y.Alternative.AlternativeStatus


def completion(*parts: v1.Part, reason: int = v1.FINISH_REASON_STOP) -> v1.Completion:
    usage = v1.Usage(input_tokens=5, output_tokens=3, total_tokens=8, reasoning_tokens=2)
    answer = v1.Completion(served_model="m-1", usage=usage)
    answer.choices.add(finish_reason=reason).message.parts.extend(parts)
    return answer


def event(**fields: object) -> v1.CompletionEvent:
    return v1.CompletionEvent(**fields)


def text(piece: str) -> v1.CompletionEvent:
    return event(delta=v1.Delta(text=piece))


def all_of(*events: v1.CompletionEvent) -> list[y.CompletionResponse]:
    encoder = MessageEncoder()
    pieces = [piece for event in events for piece in encoder.feed(event)]
    return [*pieces, *encoder.end()] if events[-1].HasField("finished") else pieces


def test_each_piece_holds_the_whole_text_so_far():
    whole = completion(v1.Part(text="one two"))
    pieces = all_of(
        event(started=v1.Started(served_model="m-1")),
        event(usage=v1.Usage(input_tokens=5)),
        text("one"),
        text(" two"),
        event(choice_finished=v1.ChoiceFinished(finish_reason=v1.FINISH_REASON_STOP)),
        event(finished=v1.Finished(completion=whole)),
    )

    assert [piece.alternatives[0].message.text for piece in pieces] == ["one", "one two", "one two"]
    assert [Status.Name(piece.alternatives[0].status)[19:] for piece in pieces] == ["PARTIAL", "PARTIAL", "FINAL"]
    assert {piece.model_version for piece in pieces} == {"m-1"}
    assert [piece.usage.input_text_tokens for piece in pieces] == [5, 5, 5]
    assert pieces[-1].usage.completion_tokens == 3
    assert pieces[-1].usage.completion_tokens_details.reasoning_tokens == 2
    assert pieces[-1] == encode_completion(whole)


def test_a_rerun_takes_back_the_text_so_far():
    retracted = event(retracted=v1.Retracted(from_sequence=1))
    pieces = all_of(retracted, text("lost"), retracted, text("anew"))

    assert [piece.alternatives[0].message.text for piece in pieces] == ["lost", "", "anew"]


def test_reasoning_stays_hidden_and_a_refusal_is_text():
    pieces = all_of(event(delta=v1.Delta(reasoning="hm")), event(delta=v1.Delta(refusal="No.")))
    whole = encode_completion(completion(v1.Part(reasoning=v1.Reasoning(text="hm")), v1.Part(refusal="No.")))

    assert [piece.alternatives[0].message.text for piece in pieces] == ["No."]
    assert whole.alternatives[0].message.text == "No."


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("STOP", "FINAL"),
        ("STOP_SEQUENCE", "FINAL"),
        ("REFUSAL", "FINAL"),
        ("OTHER", "FINAL"),
        ("MAX_OUTPUT_TOKENS", "TRUNCATED_FINAL"),
        ("CONTEXT_LENGTH", "TRUNCATED_FINAL"),
        ("CONTENT_FILTER", "CONTENT_FILTER"),
        ("RECITATION", "CONTENT_FILTER"),
        ("TOOL_CALLS", "TOOL_CALLS"),
    ],
)
def test_every_end_has_a_status(reason, status):
    answer = encode_completion(completion(reason=v1.FinishReason.Value(f"FINISH_REASON_{reason}")))

    assert Status.Name(answer.alternatives[0].status) == f"ALTERNATIVE_STATUS_{status}"


def test_every_finish_reason_is_tested():
    assert {name for name in v1.FinishReason.keys() if not name.endswith("UNSPECIFIED")} == {  # noqa: SIM118
        f"FINISH_REASON_{reason}" for mark in test_every_end_has_a_status.pytestmark for reason, _ in mark.args[1]
    }


def test_tool_calls_come_complete_and_only_at_the_end():
    call = v1.ToolCall(id="x", name="weather", arguments_json='{"city":"Paris","days":2}')
    whole = completion(v1.Part(text="Let me see"), v1.Part(tool_call=call), reason=v1.FINISH_REASON_TOOL_CALLS)
    piece = event(delta=v1.Delta(tool_call=v1.ToolCallDelta(id="x", name="weather", arguments_json="{")))
    (answer,) = all_of(piece, event(finished=v1.Finished(completion=whole)))
    encoded = answer.alternatives[0].message.tool_call_list.tool_calls[0].function_call

    assert encoded.name == "weather"
    assert dict(encoded.arguments) == {"city": "Paris", "days": 2}


@pytest.mark.parametrize("arguments", ["{", "[1]", '{"a": NaN}', "{}" * 2, "[" * 100_000])
def test_arguments_that_are_not_a_json_object_are_an_error(arguments):
    call = v1.Part(tool_call=v1.ToolCall(id="x", name="weather", arguments_json=arguments))
    with pytest.raises(CompletionError) as caught:
        encode_completion(completion(call))

    assert caught.value.reason == v1.ERROR_REASON_PROVIDER_MALFORMED
    assert "weather" in caught.value.message


@pytest.mark.parametrize(("opened", "closed"), [('{"a":', "}"), ("[", "]")])
def test_arguments_may_nest_as_deep_as_protobuf_parses_them(opened, closed):
    def called(depth: int) -> v1.Completion:
        arguments = '{"a":' + opened * (depth - 1) + "1" + closed * (depth - 1) + "}"
        return completion(v1.Part(tool_call=v1.ToolCall(id="1", name="f", arguments_json=arguments)))

    encoded = encode_completion(called(30))
    with pytest.raises(CompletionError, match="nested more than 30 deep"):
        encode_completion(called(31))

    assert y.CompletionResponse.FromString(encoded.SerializeToString()) == encoded
