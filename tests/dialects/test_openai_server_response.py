"""Answers of OpenAI's API: the shapes that programs rely on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dragoman import v1
from dragoman_service.dialects.openai.server.response import encode_chat_completion, encode_text_completion
from dragoman_service.dialects.openai.server.stream import ChatEventEncoder, TextEventEncoder
from dragoman_service.errors import CompletionError
from google.protobuf.timestamp_pb2 import Timestamp

STARTED = v1.CompletionEvent(
    event_time=Timestamp(seconds=7), started=v1.Started(completion="completions/abc", served_model="m")
)
END = v1.ChoiceFinished(finish_reason=v1.FINISH_REASON_STOP, system_fingerprint="fp")


def completion(*parts: v1.Part, **choice: Any) -> v1.Completion:
    answer = v1.Completion(name="completions/abc", served_model="m", create_time=Timestamp(seconds=7))
    message = v1.Message(role=v1.ROLE_ASSISTANT, parts=parts)
    answer.choices.append(v1.Choice(**{"message": message, "finish_reason": v1.FINISH_REASON_STOP, **choice}))
    answer.usage.CopyFrom(v1.Usage(input_tokens=2, output_tokens=3, cached_input_tokens=1, reasoning_tokens=1))
    return answer


def chunks(encoder: ChatEventEncoder, *events: v1.CompletionEvent) -> list[Any]:
    wire = b"".join(piece for event in (STARTED, *events) for piece in encoder.feed(event))
    if events[-1].HasField("finished"):
        wire += b"".join(encoder.end())
    texts = [line.removeprefix(b"data: ") for line in wire.split(b"\n\n") if line]
    return [text if text == b"[DONE]" else json.loads(text) for text in texts]


def delta(**content: Any) -> v1.CompletionEvent:
    return v1.CompletionEvent(delta=v1.Delta(**content))


FINISHED = v1.CompletionEvent(finished=v1.Finished(completion=completion()))


def test_a_complete_answer_has_every_key_that_programs_look_for() -> None:
    encoded = json.loads(encode_chat_completion(completion(v1.Part(text="Hi"))))

    assert encoded == {
        "id": "chatcmpl-abc",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 2,
            "completion_tokens": 3,
            "total_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 1},
            "completion_tokens_details": {"reasoning_tokens": 1},
        },
        "system_fingerprint": None,
    }


def test_an_answer_of_calls_has_no_content() -> None:
    call = v1.ToolCall(id="c1", name="f", arguments_json='{"a":1}')
    encoded = json.loads(
        encode_chat_completion(completion(v1.Part(tool_call=call), finish_reason=v1.FINISH_REASON_TOOL_CALLS))
    )

    (choice,) = encoded["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == (None, "tool_calls")
    assert choice["message"]["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    ]


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ({"finish_reason": v1.FINISH_REASON_STOP}, {"finish_reason": "stop"}),
        (
            {"finish_reason": v1.FINISH_REASON_STOP_SEQUENCE, "matched_stop_sequence": "x"},
            {"finish_reason": "stop", "stop_reason": "x"},
        ),
        ({"finish_reason": v1.FINISH_REASON_MAX_OUTPUT_TOKENS}, {"finish_reason": "length"}),
        ({"finish_reason": v1.FINISH_REASON_CONTEXT_LENGTH}, {"finish_reason": "length"}),
        ({"finish_reason": v1.FINISH_REASON_CONTENT_FILTER}, {"finish_reason": "content_filter"}),
        ({"finish_reason": v1.FINISH_REASON_RECITATION}, {"finish_reason": "content_filter"}),
        ({"finish_reason": v1.FINISH_REASON_REFUSAL}, {"finish_reason": "stop"}),
        ({"finish_reason": v1.FINISH_REASON_OTHER, "provider_finish_reason": "tired"}, {"finish_reason": "tired"}),
        ({"finish_reason": v1.FINISH_REASON_OTHER}, {"finish_reason": "stop"}),
    ],
)
def test_every_finish_reason_is_encoded(end: dict[str, Any], expected: dict[str, str]) -> None:
    (whole,) = json.loads(encode_chat_completion(completion(v1.Part(text="x"), **end)))["choices"]
    last = chunks(ChatEventEncoder(), v1.CompletionEvent(choice_finished=v1.ChoiceFinished(**end)))[-1]["choices"][0]

    for encoded in (whole, last):
        assert {key: encoded[key] for key in encoded if key in ("finish_reason", "stop_reason")} == expected


def test_estimated_usage_and_labels_are_encoded() -> None:
    answer = completion(v1.Part(text="x"))
    answer.usage.estimated = True
    answer.labels["team"] = "a"
    encoded = json.loads(encode_chat_completion(answer))

    assert encoded["usage"]["estimated"] is True
    assert encoded["metadata"] == {"team": "a"}


TOKEN = v1.TokenLogprob(
    token="�",
    logprob=float("-inf"),
    bytes=b"\xe2\x80",
    top_logprobs=[v1.TopLogprob(token="a", logprob=-1.5, bytes=b"a")],
)
NEXT = v1.TokenLogprob(token="bc", logprob=-0.5, bytes=b"bc")


def test_logprobs_have_the_shape_of_each_endpoint() -> None:
    answer = completion(v1.Part(text="�bc"), logprobs=[TOKEN, NEXT])
    chat, legacy = (
        json.loads(encoded(answer))["choices"][0]["logprobs"]
        for encoded in (encode_chat_completion, encode_text_completion)
    )

    top = {"token": "a", "logprob": -1.5, "bytes": [97]}
    assert chat["refusal"] is None
    assert chat["content"][0] == {"token": "�", "logprob": -9999.0, "bytes": [0xE2, 0x80], "top_logprobs": [top]}
    assert legacy == {
        "tokens": ["bytes:\\xe2\\x80", "bc"],
        "token_logprobs": [-9999.0, -0.5],
        "top_logprobs": [{"a": -1.5}, {}],
        "text_offset": [0, 1],
    }


def test_text_offsets_continue_through_a_stream() -> None:
    events = [delta(text="�bc", logprobs=[TOKEN, NEXT]), delta(text="bc", logprobs=[NEXT])]
    encoded = chunks(TextEventEncoder(), *events)

    assert [chunk["choices"][0]["logprobs"]["text_offset"] for chunk in encoded] == [[0, 1], [3]]


def test_every_chunk_has_content_to_print() -> None:
    encoded = chunks(ChatEventEncoder(), delta(text="Hi"), v1.CompletionEvent(choice_finished=END), FINISHED)

    assert encoded.pop() == b"[DONE]"
    assert [chunk["choices"][0]["delta"]["content"] for chunk in encoded] == ["", "Hi", ""]
    assert [chunk["choices"][0]["finish_reason"] for chunk in encoded] == [None, None, "stop"]
    assert encoded[0]["choices"][0]["delta"]["role"] == "assistant"
    assert encoded[-1]["system_fingerprint"] == "fp"
    assert {(chunk["id"], chunk["created"], chunk["object"], chunk["model"]) for chunk in encoded} == {
        ("chatcmpl-abc", 7, "chat.completion.chunk", "m")
    }


def test_each_choice_begins_with_its_role() -> None:
    encoded = chunks(ChatEventEncoder(), *(delta(text="x", choice_index=index) for index in (0, 1, 0)))

    begins = [(chunk["choices"][0]["index"], "role" in chunk["choices"][0]["delta"]) for chunk in encoded]
    assert begins == [(0, True), (0, False), (1, True), (1, False), (0, False)]


def test_usage_comes_once_at_the_end_and_only_on_request() -> None:
    events = [delta(text="Hi"), v1.CompletionEvent(choice_finished=END), FINISHED]
    asked, unasked = (chunks(ChatEventEncoder(include_usage=wanted), *events)[:-1] for wanted in (True, False))

    assert [chunk["usage"] and chunk["usage"]["total_tokens"] for chunk in asked] == [None, None, None, 5]
    assert asked[-1]["choices"] == []
    assert all("usage" not in chunk and chunk["choices"] for chunk in unasked)


def test_tool_calls_reasoning_and_refusals_have_keys_of_their_own() -> None:
    first = v1.ToolCallDelta(index=0, id="c1", name="f", arguments_json="{")
    more = v1.ToolCallDelta(index=0, arguments_json="}")
    events = [delta(reasoning="hm"), delta(refusal="no"), delta(tool_call=first), delta(tool_call=more)]
    encoded = [chunk["choices"][0]["delta"] for chunk in chunks(ChatEventEncoder(), *events)[1:]]

    function = {"name": "f", "arguments": "{"}
    assert encoded == [
        {"reasoning_content": "hm"},
        {"refusal": "no"},
        {"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]},
    ]


RETRACTED = v1.CompletionEvent(retracted=v1.Retracted(from_sequence=1))


def test_a_retraction_fails_a_stream_that_has_sent_text() -> None:
    encoder = ChatEventEncoder()
    before = chunks(encoder, RETRACTED, delta(text="x"))
    with pytest.raises(CompletionError) as caught:
        encoder.feed(RETRACTED)

    assert len(before) == 2
    assert (caught.value.reason, caught.value.retryable) == (v1.ERROR_REASON_WORKER_LOST, True)


def test_a_failed_stream_cannot_be_ended() -> None:
    failed = v1.CompletionEvent(finished=v1.Finished())
    failed.finished.error.code = 13

    encoder = ChatEventEncoder()
    with pytest.raises(CompletionError) as caught:
        list(encoder.end())

    assert list(encoder.feed(failed)) == []
    assert caught.value.reason == v1.ERROR_REASON_PROVIDER_STREAM_BROKEN
