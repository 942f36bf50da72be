"""What xAI's clients need of answers."""

from __future__ import annotations

import pytest
from dragoman import v1
from dragoman.dialect.xai import v1 as x
from dragoman_service.dialects.contract import DecodedRequest
from dragoman_service.dialects.xai.server.dialect import XaiServerDialect
from dragoman_service.dialects.xai.server.models import encode_model
from dragoman_service.dialects.xai.server.terms import in_vendor_terms
from dragoman_service.errors import CompletionError, FieldViolation, invalid
from google.rpc import code_pb2

DIALECT = XaiServerDialect()


def completion(*parts: v1.Part, **fields) -> v1.Completion:
    choice = v1.Choice(message=v1.Message(role=v1.ROLE_ASSISTANT, parts=parts), **fields)
    return v1.Completion(name="completions/c1", served_model="m", choices=[choice])


def encoded(answer: v1.Completion) -> x.GetChatCompletionResponse:
    return DIALECT.encode_completion(answer, DecodedRequest())


def streamed(*events: v1.CompletionEvent) -> list[x.GetChatCompletionChunk]:
    encoder = DIALECT.event_encoder(DecodedRequest())
    return [*(piece for event in events for piece in encoder.feed(event)), *encoder.end()]


def finished(answer: v1.Completion) -> v1.CompletionEvent:
    return v1.CompletionEvent(finished=v1.Finished(completion=answer))


def test_a_call_without_arguments_has_an_empty_object():
    call = v1.Part(tool_call=v1.ToolCall(id="c", name="look"))

    assert encoded(completion(call)).outputs[0].message.tool_calls[0].function.arguments == "{}"


def test_thoughts_are_counted_apart_from_the_answer():
    answer = completion(v1.Part(text="Yes"))
    answer.usage.CopyFrom(v1.Usage(input_tokens=5, output_tokens=9, reasoning_tokens=7, cached_input_tokens=4))
    usage = encoded(answer).usage

    assert (usage.completion_tokens, usage.reasoning_tokens, usage.total_tokens) == (2, 7, 14)
    assert (usage.prompt_tokens, usage.cached_prompt_text_tokens) == (5, 4)


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (v1.FINISH_REASON_STOP_SEQUENCE, x.REASON_STOP),
        (v1.FINISH_REASON_REFUSAL, x.REASON_STOP),
        (v1.FINISH_REASON_CONTEXT_LENGTH, x.REASON_MAX_CONTEXT),
        (v1.FINISH_REASON_OTHER, x.REASON_TIME_LIMIT),
    ],
)
def test_each_finish_reason_has_one_that_clients_know(reason, told):
    assert encoded(completion(v1.Part(text="Yes"), finish_reason=reason)).outputs[0].finish_reason == told


def test_an_answer_that_was_withheld_is_an_error():
    answer = completion(v1.Part(text="Yes"), finish_reason=v1.FINISH_REASON_CONTENT_FILTER)
    begun = v1.CompletionEvent(delta=v1.Delta(text="Yes"))
    for encode in (lambda: encoded(answer), lambda: streamed(begun, finished(answer))):
        with pytest.raises(CompletionError) as caught:
            encode()

        assert caught.value.code == code_pb2.PERMISSION_DENIED
        assert "answer was blocked" in caught.value.message


def test_a_refusal_is_text():
    answer = completion(v1.Part(refusal="No."), finish_reason=v1.FINISH_REASON_REFUSAL)
    chunks = streamed(v1.CompletionEvent(delta=v1.Delta(refusal="No.")), finished(answer))

    assert encoded(answer).outputs[0].message.content == "No."
    assert chunks[0].outputs[0].delta.content == "No."


def test_a_text_that_was_sent_cannot_be_retracted():
    encoder = DIALECT.event_encoder(DecodedRequest())
    retracted = v1.CompletionEvent(retracted=v1.Retracted(from_sequence=1))
    assert not list(encoder.feed(retracted))
    list(encoder.feed(v1.CompletionEvent(delta=v1.Delta(text="one"))))
    with pytest.raises(CompletionError) as caught:
        list(encoder.feed(retracted))

    assert caught.value.reason == v1.ERROR_REASON_WORKER_LOST


def test_sources_are_listed_once():
    cited = [v1.Citation(uri="https://a.example"), v1.Citation(uri="https://a.example"), v1.Citation(license="MIT")]

    assert list(encoded(completion(v1.Part(text="Yes"), citations=cited)).citations) == ["https://a.example"]


def test_prices_are_cents_for_a_hundred_million_tokens():
    pricing = v1.Pricing(input=3_000_000_000, cached_input=750_000_000, output=15_000_000_000)
    model = encode_model("m", v1.Model(pricing=pricing, context_window_tokens=99, supported_fields=["messages.file"]))

    assert (model.prompt_text_token_price, model.cached_prompt_token_price) == (30_000, 7_500)
    assert model.completion_text_token_price == 150_000
    assert list(model.input_modalities) == [x.TEXT, x.IMAGE]
    assert model.max_prompt_length == 99


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("generation_config.max_output_tokens", "max_tokens"),
        ("generation_config.choice_count", "n"),
        ("generation_config.reasoning", "reasoning_effort"),
        ("generation_config.response_format.json_schema.schema_json", "response_format.schema"),
        ("messages[1].parts[0].blob.media_type", "messages[1].content"),
        ("messages[1].parts[2].tool_result.tool_call_id", "messages[1].tool_call_id"),
        ("tool_choice.allowed_functions[0]", "tool_choice.function_name"),
        ("tools[0].function.parameters_json_schema", "tools[0].function.parameters"),
    ],
)
def test_errors_name_the_vendors_fields(ours, theirs):
    error = in_vendor_terms(invalid(FieldViolation(ours, "is wrong")))

    assert error.message == f"{theirs}: is wrong"
    assert error.fields[0].field == theirs
