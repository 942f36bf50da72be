"""Bodies of Yandex's REST API: which are decoded, which are refused, how answers, operations and errors are encoded."""

from __future__ import annotations

import json

import pytest
from dragoman import v1
from dragoman.dialect.yandex import v1 as y
from dragoman_service.contract import CompletionError, FieldViolation, invalid
from dragoman_service.dialects.message_json import decode_message as decode
from dragoman_service.dialects.yandex import json as bodies
from dragoman_service.dialects.yandex.json import encode_error, json_tree, result_line
from dragoman_service.dialects.yandex.names import RESPONSE_TYPE
from dragoman_service.dialects.yandex.server.operation import encode_operation
from google.longrunning import operations_pb2
from google.protobuf.any_pb2 import Any
from google.rpc import code_pb2

ANSWER = y.CompletionResponse(
    alternatives=[
        y.Alternative(message=y.Message(role="assistant", text="To be"), status=y.Alternative.ALTERNATIVE_STATUS_FINAL)
    ],
    usage=y.ContentUsage(input_text_tokens=31, completion_tokens=10, total_tokens=41),
    model_version="18.01.2024",
)


def request_of(body: object) -> y.CompletionRequest:
    return decode(json.dumps(body).encode(), y.CompletionRequest())


@pytest.mark.parametrize("tokens", ["2000", 2000, 2000.0])
@pytest.mark.parametrize("names", [("completionOptions", "maxTokens"), ("completion_options", "max_tokens")])
def test_numbers_may_be_strings_and_names_of_either_case(names, tokens):
    options, most = names

    assert request_of({options: {most: tokens}}).completion_options.max_tokens.value == 2000


def test_the_body_of_the_vendors_documentation_is_decoded():
    body = {
        "modelUri": "gpt://<folder_ID>/yandexgpt-lite",
        "completionOptions": {"stream": False, "temperature": 0.1, "maxTokens": "2000"},
        "messages": [{"role": "system", "text": "Translate"}, {"role": "user", "text": "To be"}],
        "tools": None,
    }

    assert [message.role for message in request_of(body).messages] == ["system", "user"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"topP": 1}, "topP"),
        ({"messages": [{"role": "user", "txt": "x"}]}, "messages[0].txt"),
        ({"completionOptions": {"maxToken": 1}}, "completionOptions.maxToken"),
    ],
)
def test_an_unknown_name_is_refused_by_that_name(body, field):
    with pytest.raises(CompletionError) as caught:
        request_of(body)

    assert [wrong.field for wrong in caught.value.fields] == [field]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\xff",
        b'{"messages": {}}',
        b'{"messages": [3]}',
        b'{"messages": [null]}',
        b'{"messages": "x"}',
        b'{"modelUri": 5}',
        b'{"completionOptions": 5}',
        b'{"completionOptions": {"maxTokens": "many"}}',
        b'{"completionOptions": {"maxTokens": 1.5}}',
        b'{"completionOptions": {"maxTokens": 99999999999999999999}}',
        b'{"completionOptions": {"temperature": "NaNaN"}}',
        b'{"toolChoice": {"mode": "SOMETIMES"}}',
        b'{"jsonObject": true, "jsonSchema": {}}',
        b'{"tools": [{"function": {"parameters": [1]}}]}',
        b'{"tools":[{"function":{"parameters":' + b'{"a":' * 500 + b"1" + b"}" * 500 + b"}}]}",
    ],
)
def test_a_body_that_is_not_a_request_is_refused_with_a_reason(body):
    with pytest.raises(CompletionError) as caught:
        decode(body, y.CompletionRequest())

    assert caught.value.code == code_pb2.INVALID_ARGUMENT
    assert 20 < len(caught.value.message) < 500
    assert "dragoman" not in caught.value.message


def test_an_answer_is_one_line_with_numbers_as_strings():
    encoded = json.loads(result_line(ANSWER))
    result = encoded["result"]

    assert result_line(ANSWER).count(b"\n") == 1
    assert set(encoded) == {"result"}
    assert result["alternatives"] == [
        {"message": {"role": "assistant", "text": "To be"}, "status": "ALTERNATIVE_STATUS_FINAL"}
    ]
    assert result["usage"]["totalTokens"] == "41"
    assert result["modelVersion"] == "18.01.2024"


def test_fields_that_are_zero_are_written_too():
    usage = y.ContentUsage(completion_tokens_details=y.ContentUsage.CompletionTokensDetails())

    assert json_tree(usage)["completionTokensDetails"] == {"reasoningTokens": "0"}
    assert json_tree(y.Token(text="a")) == {"id": "0", "text": "a", "special": False}


def test_integers_in_arguments_have_no_decimal_point():
    call = y.FunctionCall(name="f")
    call.arguments.update({"n": 5, "x": 1.5, "list": [2, 2**70]})

    assert json.dumps(json_tree(call)["arguments"]["n"]) == "5"
    assert json_tree(call)["arguments"]["list"] == [2, float(2**70)]


def started(**outcome: object) -> operations_pb2.Operation:
    known = v1.CompletionOperationMetadata(created_by="team-a")
    known.create_time.FromJsonString("2023-11-30T18:31:32.734512Z")
    known.update_time.FromJsonString("2023-11-30T18:31:33.999Z")
    metadata = Any()
    metadata.Pack(known)
    return operations_pb2.Operation(name="operations/d7qi", metadata=metadata, **outcome)


def test_a_running_operation_has_done_and_metadata_and_dates_in_whole_seconds():
    assert json.loads(bodies.encode_operation(encode_operation(started()))) == {
        "id": "d7qi",
        "description": "Async GPT Completion",
        "createdAt": "2023-11-30T18:31:32Z",
        "createdBy": "team-a",
        "modifiedAt": "2023-11-30T18:31:33Z",
        "done": False,
        "metadata": None,
    }


def test_an_answered_operation_holds_the_vendors_response():
    completion = v1.Completion(served_model="m", usage=v1.Usage(input_tokens=31, output_tokens=10))
    completion.choices.add(finish_reason=v1.FINISH_REASON_STOP).message.parts.add(text="To be")
    response = Any()
    response.Pack(completion)
    shown = encode_operation(started(done=True, response=response))
    encoded = json.loads(bodies.encode_operation(shown))

    assert shown.response.type_url == RESPONSE_TYPE == encoded["response"]["@type"]
    assert RESPONSE_TYPE == "type.googleapis.com/yandex.cloud.ai.foundation_models.v1.CompletionResponse"
    assert encoded["done"] is True
    assert encoded["response"]["alternatives"][0]["message"]["text"] == "To be"
    assert encoded["response"]["usage"]["inputTextTokens"] == "31"


def test_a_failed_operation_has_code_and_message_but_no_details():
    """The vendor's newest client fails on details of an unknown type."""
    status = CompletionError(1, v1.ERROR_REASON_CANCELLED, "It was cancelled.").status("x")
    shown = encode_operation(started(done=True, error=status))

    assert status.details
    assert json.loads(bodies.encode_operation(shown))["error"] == {
        "code": 1,
        "message": "It was cancelled.",
        "details": [],
    }


def test_an_answer_that_cannot_be_encoded_is_an_error_of_the_operation():
    completion = v1.Completion()
    part = completion.choices.add().message.parts.add()
    part.tool_call.name, part.tool_call.arguments_json = "f", "no json"
    response = Any()
    response.Pack(completion)
    shown = encode_operation(started(done=True, response=response))

    assert shown.error.code == code_pb2.INTERNAL
    assert "native API" in shown.error.message


@pytest.mark.parametrize(
    ("code", "status", "phrase"),
    [
        ("INVALID_ARGUMENT", 400, "Bad Request"),
        ("DEADLINE_EXCEEDED", 504, "Gateway Timeout"),
        ("PERMISSION_DENIED", 403, "Forbidden"),
        ("RESOURCE_EXHAUSTED", 429, "Too Many Requests"),
        ("UNIMPLEMENTED", 501, "Not Implemented"),
        ("INTERNAL", 500, "Internal Server Error"),
        ("UNAVAILABLE", 503, "Service Unavailable"),
        ("UNAUTHENTICATED", 401, "Unauthorized"),
        ("CANCELLED", 499, "Client Closed Request"),
    ],
)
def test_an_error_has_the_vendors_status_and_body(code, status, phrase):
    error = CompletionError(code_pb2.Code.Value(code), v1.ERROR_REASON_INTERNAL, "It failed.")
    response = encode_error(error, "id-1")
    encoded = json.loads(response.body)["error"]

    assert response.status == status == encoded["httpCode"]
    assert (encoded["grpcCode"], encoded["httpStatus"], encoded["message"]) == (error.code, phrase, "It failed.")
    assert encoded["details"][0]["metadata"]["call_id"] == "id-1"


def test_wrong_fields_are_among_the_details():
    response = encode_error(invalid(FieldViolation("messages", "is required")), "id-1")
    details = json.loads(response.body)["error"]["details"]

    assert details[1]["fieldViolations"] == [{"field": "messages", "description": "is required"}]
