"""Answers are encoded as Anthropic's clients read them, complete and streamed."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest
from dragoman import v1
from dragoman_service.dialects.anthropic.server.dialect import MessagesDialect
from dragoman_service.dialects.anthropic.server.request import MessagesRequest
from dragoman_service.dialects.anthropic.server.terms import vendor_name
from dragoman_service.errors import CompletionError, FieldViolation, invalid, overloaded
from dragoman_service.testing.dialect_laws.answers import finished

Events = list[v1.CompletionEvent]
STARTED = v1.CompletionEvent(started=v1.Started(completion="completions/1", served_model="m-1", provider="p"))
PLAIN, THINKING = MessagesRequest(), MessagesRequest(thinking=True)


def said(*deltas: v1.Delta) -> Events:
    return [v1.CompletionEvent(delta=delta) for delta in deltas]


def ended(reason: v1.FinishReason.ValueType = v1.FINISH_REASON_STOP, **more: Any) -> v1.CompletionEvent:
    return v1.CompletionEvent(choice_finished=v1.ChoiceFinished(finish_reason=reason, **more))


def used(**counts: int) -> v1.CompletionEvent:
    return v1.CompletionEvent(usage=v1.Usage(**counts))


def read(pieces: Any) -> list[tuple[str, Any]]:
    """The name and the data of each event."""
    found = []
    for event in b"".join(pieces).decode().split("\n\n")[:-1]:
        name, data = event.split("\n")
        found.append((name.removeprefix("event: "), orjson.loads(data.removeprefix("data: "))))
    assert all(name == data["type"] for name, data in found)
    return found


def streamed(events: Events, decoded: MessagesRequest = PLAIN) -> list[tuple[str, Any]]:
    encoder = MessagesDialect().event_encoder(decoded)
    whole = finished([STARTED, *events])
    return read([*(piece for event in whole for piece in encoder.feed(event)), *encoder.end()])


def complete(events: Events, decoded: MessagesRequest = PLAIN) -> Any:
    whole = finished([STARTED, *events])[-1].finished.completion
    return orjson.loads(MessagesDialect().encode_completion(whole, decoded))


def blocks_of(stream: list[tuple[str, Any]]) -> list[Any]:
    """The blocks that a stream builds, as the vendor's helpers do."""
    blocks: list[Any] = []
    for name, data in stream:
        if name == "content_block_start":
            assert data["index"] == len(blocks)
            blocks.append(dict(data["content_block"]))
        elif name == "content_block_delta":
            key = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}
            kind = data["delta"]["type"]
            if kind == "input_json_delta":
                blocks[-1]["input"] = (blocks[-1]["input"] or "") + data["delta"]["partial_json"]
            else:
                blocks[-1][key[kind]] += data["delta"][key[kind]]
    return [{**block, "input": orjson.loads(block["input"] or "{}")} if "input" in block else block for block in blocks]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


HELLO = [*said(v1.Delta(text="Hel"), v1.Delta(text="lo")), ended(), used(input_tokens=3, output_tokens=2)]
USAGE = {"input_tokens": 3, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 2}


def test_a_complete_answer_has_its_content_reason_and_usage() -> None:
    assert complete(HELLO) == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m-1",
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": USAGE,
    }


def test_a_stream_has_every_event_in_order_with_the_keys_that_helpers_need() -> None:
    stream = streamed([used(input_tokens=3), *HELLO])
    start, block, delta, *_ = (data for _, data in stream)

    assert [name for name, _ in stream] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert start["message"]["content"] == []
    assert start["message"]["usage"] == {**USAGE, "output_tokens": 0}
    assert block["content_block"] == {"type": "text", "text": ""}
    assert delta == {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}}
    assert stream[-2][1]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert stream[-2][1]["usage"] == USAGE


def test_input_tokens_leave_out_those_of_the_cache() -> None:
    counts = used(input_tokens=100, output_tokens=9, cached_input_tokens=60, cache_write_tokens=30, reasoning_tokens=4)
    usage = complete([*said(v1.Delta(text="x")), ended(), counts])["usage"]

    assert usage["input_tokens"] == 10
    assert (usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]) == (60, 30)
    assert usage["output_tokens_details"] == {"thinking_tokens": 4}


THOUGHTS = [
    *said(
        v1.Delta(reasoning="Hm"),
        v1.Delta(reasoning=".", state=b"sig"),
        v1.Delta(reasoning="", state=b"secret"),
        v1.Delta(reasoning="Unsigned"),
        v1.Delta(text="Yes", state=b"text"),
        v1.Delta(tool_call=v1.ToolCallDelta(index=0, id="c1", name="f", arguments_json='{"a":')),
        v1.Delta(tool_call=v1.ToolCallDelta(index=0, arguments_json="1}"), state=b"call"),
        v1.Delta(tool_call=v1.ToolCallDelta(index=1, id="c2", name="g")),
    ),
    ended(v1.FINISH_REASON_TOOL_CALLS),
]
SAID = [
    {"type": "text", "text": "Yes"},
    {"type": "redacted_thinking", "data": f"after.{b64(b'text')}"},
    {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}},
    {"type": "redacted_thinking", "data": f"after.{b64(b'call')}"},
    {"type": "tool_use", "id": "c2", "name": "g", "input": {}},
]


def test_thinking_has_signatures_and_what_has_no_place_for_state_is_followed_by_it() -> None:
    expected = [
        {"type": "thinking", "thinking": "Hm.", "signature": b64(b"sig")},
        {"type": "redacted_thinking", "data": b64(b"secret")},
        {"type": "thinking", "thinking": "Unsigned", "signature": ""},
        *SAID,
    ]

    assert complete(THOUGHTS, THINKING)["content"] == expected
    assert blocks_of(streamed(THOUGHTS, THINKING)) == expected
    assert complete(THOUGHTS, THINKING)["stop_reason"] == "tool_use"


def test_thinking_that_was_not_asked_for_is_hidden_and_its_state_comes_after_the_text() -> None:
    hidden = [{"type": "redacted_thinking", "data": f"before.{b64(state)}"} for state in (b"sig", b"secret")]
    expected = [*SAID[:2], *hidden, *SAID[2:]]

    assert complete(THOUGHTS)["content"] == expected
    assert blocks_of(streamed(THOUGHTS)) == expected


def test_omitted_thinking_keeps_its_blocks_without_text() -> None:
    omitted = MessagesRequest(thinking=True, omitted=True)
    events = [*said(v1.Delta(reasoning="", state=b"sig"), v1.Delta(text="Yes")), ended()]
    expected = [{"type": "thinking", "thinking": "", "signature": b64(b"sig")}, {"type": "text", "text": "Yes"}]

    assert complete(events, omitted)["content"] == expected
    assert blocks_of(streamed(events, omitted)) == expected


@pytest.mark.parametrize("pieces", [["The sum is 4."], ["The", " sum ", "is 4."], ["Th"], ["Other words"]])
def test_the_start_that_the_caller_wrote_is_not_repeated(pieces: list[str]) -> None:
    decoded = MessagesRequest(prefix="The sum is ")
    events = [*said(*(v1.Delta(text=piece) for piece in pieces)), ended()]
    expected = [{"type": "text", "text": "".join(pieces).removeprefix("The sum is ")}]

    assert complete(events, decoded)["content"] == expected
    assert [block for block in blocks_of(streamed(events, decoded)) if block["text"]] == expected


def test_calls_whose_arguments_are_no_object_are_never_sent_as_if_they_were() -> None:
    call = said(v1.Delta(tool_call=v1.ToolCallDelta(index=0, id="c", name="f", arguments_json='{"a": "b')))
    broken, cut = [*call, ended(v1.FINISH_REASON_TOOL_CALLS)], [*call, ended(v1.FINISH_REASON_MAX_OUTPUT_TOKENS)]
    for encode in (complete, streamed):
        with pytest.raises(CompletionError) as caught:
            encode(broken)

        assert caught.value.reason == v1.ERROR_REASON_PROVIDER_MALFORMED
    assert (complete(cut)["content"], complete(cut)["stop_reason"]) == ([], "max_tokens")
    assert streamed(cut)[-2][1]["delta"]["stop_reason"] == "max_tokens"


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (v1.FINISH_REASON_STOP_SEQUENCE, "stop_sequence"),
        (v1.FINISH_REASON_CONTEXT_LENGTH, "model_context_window_exceeded"),
        (v1.FINISH_REASON_REFUSAL, "refusal"),
        (v1.FINISH_REASON_OTHER, "other"),
    ],
)
def test_reasons_have_the_vendors_names(reason: v1.FinishReason.ValueType, expected: str) -> None:
    assert complete([*said(v1.Delta(refusal="No.")), ended(reason)])["stop_reason"] == expected


def test_a_filter_says_why() -> None:
    found = v1.SafetyAssessment(blocked=True, message="Too dangerous.")
    report = v1.CompletionEvent(safety=v1.SafetyReport(choice_index=0, assessment=found))
    events = [*said(v1.Delta(text="I ha")), report, ended(v1.FINISH_REASON_CONTENT_FILTER)]
    details = {"type": "refusal", "category": None, "explanation": "Too dangerous."}

    assert complete(events)["stop_details"] == details
    assert streamed(events)[-2][1]["delta"]["stop_details"] == details


def test_an_answer_that_was_taken_back_begins_anew_only_if_nothing_was_sent() -> None:
    taken = v1.CompletionEvent(retracted=v1.Retracted(from_sequence=1))
    encoder = MessagesDialect().event_encoder(PLAIN)
    assert not [piece for event in (STARTED, taken) for piece in encoder.feed(event)]

    list(encoder.feed(said(v1.Delta(text="x"))[0]))
    with pytest.raises(CompletionError) as caught:
        list(encoder.feed(taken))

    assert caught.value.reason == v1.ERROR_REASON_WORKER_LOST


def test_errors_are_typed_and_name_the_call_in_a_header() -> None:
    wrong = MessagesDialect().encode_error(
        invalid(FieldViolation("generation_config.top_k", "is out of range")), "id-1"
    )
    busy = MessagesDialect().encode_error(overloaded("Too much to do."), "id-2")
    body = orjson.loads(wrong.body)

    assert (wrong.status, wrong.headers["request-id"], body["request_id"]) == (400, "id-1", "id-1")
    assert body["type"] == "error"
    assert body["error"]["type"] == "invalid_request_error"
    assert body["error"]["message"] == "top_k: is out of range"
    assert orjson.loads(busy.body)["error"]["type"] in ("rate_limit_error", "overloaded_error")
    assert "retry-after" in busy.headers


def test_a_thread_is_refused_so_that_clients_send_the_whole_conversation() -> None:
    error = MessagesDialect().encode_error(invalid(FieldViolation("thread", "is not supported")), "id")

    assert error.status == 400
    assert orjson.loads(error.body)["error"]["details"]["error_code"] == "thread_unsupported_request"


def test_an_error_in_the_middle_is_an_event() -> None:
    ((name, data),) = read(MessagesDialect().event_encoder(PLAIN).fail(overloaded("Too much."), "id"))

    assert (name, data["error"]["message"][:9]) == ("error", "Too much.")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("generation_config.reasoning.budget_tokens", "thinking.budget_tokens"),
        ("generation_config.max_output_tokens", "max_tokens"),
        ("messages[1].parts[0].blob.data", "messages.content.source"),
        ("tool_choice.parallel", "tool_choice.disable_parallel_tool_use"),
        ("tools[0].function.name", "tools[0].name"),
    ],
)
def test_paths_are_the_callers(ours: str, theirs: str) -> None:
    assert vendor_name(ours) == theirs
