"""Requests of Yandex's API: decoded, or refused in the vendor's terms."""

from __future__ import annotations

import json

import pytest
from dragoman import v1
from dragoman.dialect.yandex import v1 as y
from dragoman_service.contract import CompletionError
from dragoman_service.dialects.yandex.names import model_names, model_uri
from dragoman_service.dialects.yandex.server.errors import in_vendor_terms
from dragoman_service.dialects.yandex.server.request import decode_request
from dragoman_service.validation import check_request
from google.protobuf import json_format


def asking(**fields: object) -> y.CompletionRequest:
    body = {"modelUri": "gpt://folder/m", "messages": [{"role": "user", "text": "Hi"}], **fields}
    return json_format.ParseDict(body, y.CompletionRequest())


def refusal(request: y.CompletionRequest) -> CompletionError:
    with pytest.raises(CompletionError) as caught:
        check_request(decode_request(request))
    return in_vendor_terms(caught.value)


@pytest.mark.parametrize(
    ("uri", "names"),
    [
        ("gpt://b1g/yandexgpt/rc", ("gpt://b1g/yandexgpt/rc", "yandexgpt/rc", "yandexgpt")),
        (
            "gpt://<folder_ID>/yandexgpt-lite",
            ("gpt://<folder_ID>/yandexgpt-lite", "yandexgpt-lite/latest", "yandexgpt-lite"),
        ),
        ("local", ("local",)),
        ("gpt://b1g", ("gpt://b1g",)),
    ],
)
def test_a_model_is_looked_up_by_its_uri_then_without_folder_then_without_version(uri, names):
    assert model_names(uri) == names


def test_a_name_becomes_a_uri_of_the_folder_and_a_uri_stays_as_it_is():
    assert model_uri("b1g", "yandexgpt/latest") == "gpt://b1g/yandexgpt/latest"
    assert model_uri("b1g", "ds://tuned") == "ds://tuned"


def test_messages_keep_their_order_and_roles():
    texts = [("system", "Be brief"), ("user", "Hi"), ("assistant", "Hello"), ("User", "Bye")]
    request = decode_request(asking(messages=[{"role": role, "text": text} for role, text in texts]))

    assert [v1.Role.Name(message.role) for message in request.messages] == [
        "ROLE_SYSTEM",
        "ROLE_USER",
        "ROLE_ASSISTANT",
        "ROLE_USER",
    ]
    assert [message.parts[0].text for message in request.messages] == [text for _, text in texts]


def test_only_options_that_were_sent_are_set():
    plain = decode_request(asking(completionOptions={"stream": True}))
    full = decode_request(asking(completionOptions={"temperature": 0, "maxTokens": "2000"}))

    assert not plain.HasField("generation_config")
    assert full.generation_config.HasField("temperature")
    assert full.generation_config.max_output_tokens == 2000


@pytest.mark.parametrize(
    ("mode", "effort"),
    [("DISABLED", v1.REASONING_EFFORT_NONE), ("ENABLED_HIDDEN", v1.REASONING_EFFORT_MEDIUM)],
)
def test_reasoning_is_on_or_off(mode, effort):
    request = decode_request(asking(completionOptions={"reasoningOptions": {"mode": mode}}))

    assert request.generation_config.reasoning.effort == effort


def test_equal_schemas_have_equal_texts():
    schema = {"type": "object", "properties": {"b": {"type": "string"}, "a": {"minimum": 1}}, "required": ["a"]}
    request = decode_request(asking(jsonSchema={"schema": schema}))
    text = request.generation_config.response_format.json_schema.schema_json

    assert json.loads(text) == schema
    assert '"minimum":1}' in text
    assert decode_request(asking(jsonSchema={"schema": schema})) == request
    assert decode_request(asking(jsonObject=True)).generation_config.response_format.HasField("json_object")
    assert not decode_request(asking(jsonObject=False)).HasField("generation_config")


def test_tools_and_the_choice_among_them_are_decoded():
    tool = {"function": {"name": "weather", "description": "d", "parameters": {"type": "object"}, "strict": True}}
    request = decode_request(asking(tools=[tool], toolChoice={"functionName": "weather"}, parallelToolCalls=False))

    assert request.tools[0].function.parameters_json_schema == '{"type":"object"}'
    assert request.tools[0].function.strict
    assert request.tool_choice.mode == v1.ToolChoice.MODE_REQUIRED
    assert request.tool_choice.allowed_functions == ["weather"]
    assert request.tool_choice.HasField("parallel")
    assert not request.tool_choice.parallel


def test_calls_get_ids_and_results_find_their_calls():
    calls = [{"functionCall": {"name": name, "arguments": {"n": n}}} for name, n in (("f", 1), ("g", 2), ("f", 3))]
    results = [
        {"functionResult": {"name": name, "content": text}} for name, text in (("g", "G"), ("f", "1"), ("f", "3"))
    ]
    turns = [
        {"role": "assistant", "toolCallList": {"toolCalls": calls}},
        {"role": "user", "toolResultList": {"toolResults": results}},
    ]
    request = decode_request(asking(tools=[{"function": {"name": n}} for n in "fg"], messages=turns))
    made = {part.tool_call.id: part.tool_call for part in request.messages[0].parts}
    answered = {part.tool_result.text: made[part.tool_result.tool_call_id] for part in request.messages[1].parts}
    check_request(request)

    assert len(made) == 3
    assert request.messages[1].role == v1.ROLE_TOOL
    assert {text: json.loads(call.arguments_json)["n"] for text, call in answered.items()} == {"G": 2, "1": 1, "3": 3}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"modelUri": ""}, "model_uri"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages[0]"),
        ({"messages": [{"role": "narrator", "text": "x"}]}, "messages[0].role"),
        ({"completionOptions": {"maxTokens": 0}}, "completion_options.max_tokens"),
        ({"completionOptions": {"maxTokens": 2**40}}, "completion_options.max_tokens"),
        ({"completionOptions": {"maxTokens": 1_000_001}}, "completion_options.max_tokens"),
        ({"completionOptions": {"temperature": 3}}, "completion_options.temperature"),
        ({"completionOptions": {"reasoningOptions": {"mode": 7}}}, "completion_options.reasoning_options.mode"),
        ({"tools": [{}]}, "tools[0]"),
        ({"tools": [{"function": {"name": "no spaces"}}]}, "tools[0].function.name"),
        ({"toolChoice": {"mode": 9}}, "tool_choice.mode"),
        ({"messages": [{"toolCallList": {"toolCalls": [{}]}}]}, "messages[0].tool_call_list.tool_calls[0]"),
        (
            {"messages": [{"toolResultList": {"toolResults": [{"functionResult": {"name": "f"}}]}}]},
            "messages[0].tool_result_list.tool_results[0].function_result.name",
        ),
    ],
)
def test_a_wrong_field_is_named_as_the_vendor_names_it(fields, field):
    error = refusal(asking(**fields))

    assert [wrong.field for wrong in error.fields] == [field]
    assert error.message.startswith(field)


def test_an_empty_text_is_taken():
    check_request(decode_request(asking(messages=[{"role": "user", "text": ""}])))


def test_an_unsupported_field_is_reported_in_the_vendors_terms():
    from dragoman_service.catalogue.fields import fit_fields

    model = v1.Model(name="m/m", provider_model="m")
    with pytest.raises(CompletionError) as caught:
        fit_fields(decode_request(asking(completionOptions={"reasoningOptions": {"mode": "DISABLED"}})), model)
    error = in_vendor_terms(caught.value)

    assert [wrong.field for wrong in error.fields] == ["completion_options.reasoning_options"]
    assert "unsupported_field_policy" not in error.message
    assert "generation_config" not in error.message


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_arguments_with_nan_or_infinity_are_refused(number):
    request = asking(messages=[{"toolCallList": {"toolCalls": [{"functionCall": {"name": "f"}}]}}])
    arguments = request.messages[0].tool_call_list.tool_calls[0].function_call.arguments
    arguments.update({"deep": [{"x": 1}]})
    arguments.fields["deep"].list_value.values[0].struct_value.fields["x"].number_value = number
    (wrong,) = refusal(request).fields

    assert wrong.field == "messages[0].tool_call_list.tool_calls[0].function_call.arguments"
    assert "JSON does not allow" in wrong.description
