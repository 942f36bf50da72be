"""Decoding the answers of OpenAI-compatible upstreams."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dragoman import v1
from dragoman_service.dialects.contract import IncompleteAnswerError
from dragoman_service.dialects.openai.client.response import AnswerDecoder
from dragoman_service.errors import CompletionError
from google.rpc import code_pb2
from openai_chunks import chunk, decoded, usage


def ending(*texts: bytes, **options: Any) -> v1.FinishReason.ValueType:
    return decoded(*texts, **options)[-1].choice_finished.finish_reason


def test_a_stream_becomes_deltas_a_usage_and_an_end() -> None:
    opening = chunk({"role": "assistant", "content": None})
    events = decoded(opening, chunk({"content": "Hel"}), chunk({"content": "lo"}), chunk(finish="stop"), usage(5, 3, 2))

    assert [event.delta.text for event in events[:2]] == ["Hel", "lo"]
    assert events[2].usage == v1.Usage(input_tokens=5, output_tokens=3, total_tokens=8, cached_input_tokens=2)
    assert events[3].choice_finished == v1.ChoiceFinished(
        finish_reason=v1.FINISH_REASON_STOP, provider_finish_reason="stop", system_fingerprint="fp"
    )
    assert len(events) == 4


def test_a_complete_answer_gives_the_same_events() -> None:
    message = {"role": "assistant", "content": "Hello", "reasoning_content": "Hm"}
    whole = {
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 3},
    }
    events = decoded(json.dumps(whole).encode())

    assert [event.WhichOneof("event") for event in events] == ["delta", "delta", "usage", "choice_finished"]


@pytest.mark.parametrize(
    ("key", "kind"),
    [("content", "text"), ("reasoning_content", "reasoning"), ("reasoning", "reasoning"), ("refusal", "refusal")],
)
def test_each_kind_of_content_keeps_its_kind(key: str, kind: str) -> None:
    event = decoded(chunk({key: "x"}), chunk(finish="stop"))[0]

    assert event.delta.WhichOneof("content") == kind


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("stop", v1.FINISH_REASON_STOP),
        ("eos", v1.FINISH_REASON_STOP),
        ("end_turn", v1.FINISH_REASON_STOP),
        ("stop_sequence", v1.FINISH_REASON_STOP_SEQUENCE),
        ("length", v1.FINISH_REASON_MAX_OUTPUT_TOKENS),
        ("model_length", v1.FINISH_REASON_CONTEXT_LENGTH),
        ("content_filter", v1.FINISH_REASON_CONTENT_FILTER),
        ("violation", v1.FINISH_REASON_CONTENT_FILTER),
        ("tool_calls", v1.FINISH_REASON_OTHER),
        ("who_knows", v1.FINISH_REASON_OTHER),
    ],
)
def test_finish_reasons_keep_their_meaning_and_the_upstreams_word(said: str, meant: v1.FinishReason.ValueType) -> None:
    end = decoded(chunk({"content": "a"}), chunk(finish=said))[-1].choice_finished

    assert (end.finish_reason, end.provider_finish_reason) == (meant, said)


def test_the_stop_sequence_is_known_if_the_server_reports_it() -> None:
    stopped = decoded(chunk({"content": "a"}), chunk(finish="stop", stop_reason="###"))[-1].choice_finished
    by_token = decoded(chunk({"content": "a"}), chunk(finish="stop", stop_reason=128009))[-1].choice_finished

    assert (stopped.finish_reason, stopped.matched_stop_sequence) == (v1.FINISH_REASON_STOP_SEQUENCE, "###")
    assert (by_token.finish_reason, by_token.matched_stop_sequence) == (v1.FINISH_REASON_STOP, "")


@pytest.mark.parametrize("said", ["tool_calls", "function_call", "stop"])
def test_an_answer_that_calls_a_tool_ended_for_that(said: str) -> None:
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}

    assert ending(chunk({"tool_calls": [call]}), chunk(finish=said)) == v1.FINISH_REASON_TOOL_CALLS


@pytest.mark.parametrize("said", ["error", "abort", "insufficient_system_resource"])
def test_an_upstream_that_gave_up_has_not_answered(said: str) -> None:
    with pytest.raises(IncompleteAnswerError):
        decoded(chunk({"content": "a"}), chunk(finish=said))


def test_the_first_of_two_finish_reasons_counts() -> None:
    assert ending(chunk({"content": "a"}), chunk(finish="length"), chunk(finish="stop")) == (
        v1.FINISH_REASON_MAX_OUTPUT_TOKENS
    )


def test_a_complete_answer_without_a_finish_reason_is_complete() -> None:
    decoder = AnswerDecoder()
    decoder.decode_complete(b'{"choices": [{"message": {"content": "a"}, "finish_reason": null}]}')
    end = decoder.end()[-1].choice_finished

    assert (end.finish_reason, end.provider_finish_reason) == (v1.FINISH_REASON_OTHER, "")


def test_a_refusal_is_the_finish_reason() -> None:
    assert ending(chunk({"refusal": "No."}), chunk(finish="stop")) == v1.FINISH_REASON_REFUSAL


def test_fewer_tokens_than_allowed_mean_that_the_context_was_full() -> None:
    cut = (chunk({"content": "a"}), chunk(finish="length"), usage(5, 10))

    assert ending(*cut, max_tokens=11) == v1.FINISH_REASON_CONTEXT_LENGTH
    assert ending(*cut, max_tokens=10) == v1.FINISH_REASON_MAX_OUTPUT_TOKENS
    assert ending(*cut) == v1.FINISH_REASON_MAX_OUTPUT_TOKENS


def test_progress_reports_the_tokens_of_the_prompt_before_the_first_piece() -> None:
    progress = json.dumps({"choices": [], "prompt_progress": {"total": 40, "cache": 8, "processed": 20}}).encode()
    first = decoded(progress, chunk(finish="stop"))[0]

    assert first.usage == v1.Usage(input_tokens=40, total_tokens=40, cached_input_tokens=8)


def test_choices_of_one_answer_keep_their_numbers() -> None:
    events = decoded(
        chunk({"content": "a"}, index=1),
        chunk({"content": "b"}),
        chunk(finish="stop"),
        chunk(finish="stop", index=1),
        choices=2,
    )

    assert [event.delta.choice_index for event in events[:2]] == [1, 0]
    assert [event.choice_finished.choice_index for event in events[2:]] == [0, 1]


def test_an_answer_for_a_later_choice_is_numbered_as_that() -> None:
    events = decoded(chunk({"content": "a"}), chunk(finish="stop"), first_index=3)

    assert events[0].delta.choice_index == events[1].choice_finished.choice_index == 3


def test_a_prefix_comes_before_the_text_even_without_text() -> None:
    spoke = decoded(chunk({"content": " b"}), chunk({"content": " c"}), chunk(finish="stop"), prefix="a")
    silent = decoded(chunk(finish="stop"), prefix="a")

    assert [event.delta.text for event in spoke[:2]] == ["a b", " c"]
    assert silent[0].delta.text == "a"


def test_logprobs_come_with_their_piece_and_as_many_alternatives_as_requested() -> None:
    top = [{"token": "a", "logprob": -0.1, "bytes": [97]}, {"token": "\ufffd", "logprob": -3.0, "bytes": [200]}]
    token = {"token": "é", "logprob": -0.5, "bytes": None, "top_logprobs": top}
    text = chunk({"content": "é"}, logprobs={"content": [token]})
    (logprob,) = decoded(text, chunk(finish="stop"), top_logprobs=1)[0].delta.logprobs

    assert (logprob.token, logprob.logprob, logprob.bytes) == ("é", -0.5, "é".encode())
    assert [(one.token, one.bytes) for one in logprob.top_logprobs] == [("a", b"a")]


def test_half_a_character_is_replaced() -> None:
    assert decoded(b'{"choices":[{"delta":{"content":"a\\ud83d"},"finish_reason":"stop"}]}')[0].delta.text == "a\ufffd"


def test_done_ends_the_stream() -> None:
    decoder = AnswerDecoder()
    decoder.decode([chunk(finish="stop")])
    before = decoder.over
    decoder.decode([b"[DONE]", b"<what follows is not read>"])

    assert (before, decoder.over) == (False, True)


def test_done_ends_an_answer_that_has_text_and_no_finish_reason() -> None:
    end = decoded(chunk({"content": "a"}), b"[DONE]")[-1].choice_finished

    assert (end.finish_reason, end.provider_finish_reason) == (v1.FINISH_REASON_OTHER, "")


@pytest.mark.parametrize(
    "texts", [(), (chunk({"content": "a"}),), (b"[DONE]",), (chunk({"reasoning": "a"}), b"[DONE]")]
)
def test_an_answer_without_a_finish_reason_is_incomplete(texts: tuple[bytes, ...]) -> None:
    with pytest.raises(IncompleteAnswerError):
        decoded(*texts)


@pytest.mark.parametrize(
    "text",
    [
        b"<html>",
        b"[]",
        b'"x"',
        b'{"choices": 5}',
        b'{"choices": [5]}',
        b'{"choices": [{"delta": 5}]}',
        b'{"choices": [{"delta": {"content": 5}}]}',
        b'{"choices": [{"delta": {"content": ["a"]}}]}',
        b'{"choices": [{"index": 1, "delta": {"content": "a"}}, {"index": 0, "delta": {"content": "b"}}]}',
        b'{"choices": [{"index": [1], "delta": {"content": "a"}}]}',
        b'{"choices": [{"delta": {"content": "a"}, "logprobs": {"content": [{}]}}]}',
        b'{"choices": [{"delta": {"content": "a"}, "logprobs": 7}]}',
        b'{"choices": [], "usage": {"prompt_tokens": "many"}}',
        b'{"choices": [], "usage": {"prompt_tokens": -1}}',
        b'{"choices": [{"delta": {"content": "\xff"}}]}',
        b"[" * 200_000,
    ],
)
def test_an_answer_that_makes_no_sense_is_malformed(text: bytes) -> None:
    with pytest.raises(CompletionError) as refused:
        decoded(text)

    assert (refused.value.code, refused.value.reason) == (code_pb2.INTERNAL, v1.ERROR_REASON_PROVIDER_MALFORMED)


def test_a_choice_that_continues_after_its_end_needs_another_one() -> None:
    went_on = (chunk({"content": "a"}), chunk(finish="stop"), chunk({"content": "b"}))

    with pytest.raises(IncompleteAnswerError):
        decoded(*went_on)
    assert ending(*went_on, chunk(finish="length")) == v1.FINISH_REASON_MAX_OUTPUT_TOKENS
    assert ending(*went_on, b"[DONE]") == v1.FINISH_REASON_STOP


def test_an_answer_has_ended_only_if_its_finish_reason_cannot_be_premature() -> None:
    decoder = AnswerDecoder()
    seen = []
    for text in (
        chunk({"reasoning": "a"}, "stop"),
        chunk({"content": "b"}, "stop"),
        usage(1, 2),
        chunk({"content": "c"}),
    ):
        decoder.decode([text])
        seen.append(decoder.ended)

    assert seen == [False, False, True, False]
