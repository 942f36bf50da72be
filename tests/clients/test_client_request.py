"""Prompts and options become requests."""

from __future__ import annotations

import json

import pytest
from dragoman import v1
from dragoman.request import Options, StartOptions, completion_request, start_request


def turns(request: v1.CompletionRequest) -> list[tuple[str, str]]:
    return [(v1.Role.Name(message.role), message.parts[0].text) for message in request.messages]


def test_options_are_the_fields_of_the_generation_config():
    fields = set(v1.GenerationConfig.DESCRIPTOR.fields_by_name)

    more = {"json_schema", "labels", "system", "request_id", "disconnect_policy", "tools", "tool_choice", "end_user"}
    assert set(Options.__annotations__) == fields | more


def test_start_options_are_the_fields_of_their_message():
    fields = set(v1.StartCompletionRequest.DESCRIPTOR.fields_by_name) - {"request"}

    assert set(StartOptions.__annotations__) - set(Options.__annotations__) == fields


def test_a_conversation_mixes_messages_and_pairs():
    message = v1.Message(role=v1.ROLE_ASSISTANT, parts=[v1.Part(text="Yes?")])
    request = completion_request([("user", "You!"), message, ("data", "mail")], "echo", {"system": "Be kind."})

    assert request.model == "echo"
    assert turns(request) == [
        ("ROLE_SYSTEM", "Be kind."),
        ("ROLE_USER", "You!"),
        ("ROLE_ASSISTANT", "Yes?"),
        ("ROLE_DATA", "mail"),
    ]


def test_options_reach_the_generation_config_and_none_omits_them():
    options: Options = {"temperature": 0.0, "stop_sequences": "\n", "seed": None, "labels": {"team": "a"}}
    request = completion_request("Hello", None, options)

    assert request.generation_config == v1.GenerationConfig(temperature=0.0, stop_sequences=["\n"])
    assert request.generation_config.HasField("temperature")
    assert dict(request.labels) == {"team": "a"}


def test_a_request_without_options_has_no_generation_config():
    assert not completion_request("Hello", None, {}).HasField("generation_config")


def test_a_schema_keeps_the_order_of_its_properties():
    schema = {"type": "object", "properties": {"zebra": {"type": "string"}, "ant": {"const": "é"}}}
    request = completion_request("Hello", None, {"json_schema": schema})
    text = request.generation_config.response_format.json_schema.schema_json

    assert list(json.loads(text)["properties"]) == ["zebra", "ant"]
    assert "é" in text


def test_a_schema_may_be_text():
    request = completion_request("Hello", None, {"json_schema": '{"type":  "object"}'})

    assert request.generation_config.response_format.json_schema.schema_json == '{"type":  "object"}'


def test_options_override_a_complete_request_without_changing_it():
    whole = v1.CompletionRequest(
        model="echo",
        messages=[v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="Hello")])],
        generation_config=v1.GenerationConfig(stop_sequences=["a"], top_k=3),
    )
    before = whole.SerializeToString(deterministic=True)
    request = completion_request(whole, None, {"stop_sequences": ["b"], "seed": 1})

    assert request.model == "echo"
    assert request.generation_config == v1.GenerationConfig(stop_sequences=["b"], top_k=3, seed=1)
    assert whole.SerializeToString(deterministic=True) == before


def test_a_model_overrides_that_of_a_complete_request():
    assert completion_request(v1.CompletionRequest(model="echo"), "local", {}).model == "local"


@pytest.mark.parametrize("prompt", [5, b"Hello", ["Hello"], [("user", 5)], ("user", "Hello")])
def test_an_invalid_prompt_is_rejected(prompt):
    with pytest.raises(TypeError):
        completion_request(prompt, None, {})


def test_an_unknown_role_is_rejected_with_the_known_ones():
    with pytest.raises(ValueError, match=r"Unknown role 'robot'\. Known roles: system, developer, user"):
        completion_request([("robot", "Hello")], None, {})


def test_an_unknown_option_is_rejected_with_the_known_ones():
    with pytest.raises(TypeError, match=r"Unknown option temprature\. Known options: .*temperature"):
        completion_request("Hello", None, {"temprature": 1})  # type: ignore[typeddict-unknown-key]


def test_two_response_formats_are_rejected():
    form = v1.ResponseFormat(json_object=v1.JsonObject())
    with pytest.raises(TypeError, match="set only one"):
        completion_request("Hello", None, {"json_schema": "{}", "response_format": form})


@pytest.mark.parametrize("policy", ["continue", v1.DISCONNECT_POLICY_CONTINUE])
def test_a_request_may_continue_without_its_caller(policy):
    request = completion_request("Hello", None, {"request_id": "r-1", "disconnect_policy": policy})

    assert (request.request_id, request.disconnect_policy) == ("r-1", v1.DISCONNECT_POLICY_CONTINUE)


def test_an_unknown_policy_is_rejected_with_the_known_ones():
    with pytest.raises(ValueError, match=r"Unknown disconnect_policy 'stay'\. Known policies: cancel, continue"):
        completion_request("Hello", None, {"disconnect_policy": "stay"})  # type: ignore[typeddict-item]


def test_start_options_reach_the_start_request():
    options: StartOptions = {"operation_id": "tale", "ttl": 1.5, "max_attempts": 1, "priority": -3, "seed": 7}
    options["keep_request"] = True
    start = start_request("Hello", "echo", options)

    assert (start.operation_id, start.max_attempts, start.priority, start.keep_request) == ("tale", 1, -3, True)
    assert start.ttl.ToTimedelta().total_seconds() == 1.5
    assert start.request.generation_config.seed == 7


def test_omitted_start_options_are_left_to_the_service():
    start = start_request("Hello", None, {"max_attempts": None})

    assert not start.HasField("ttl")
    assert not start.HasField("max_attempts")


def test_a_start_keeps_a_given_request_id():
    whole = v1.CompletionRequest(request_id="r-1")

    assert start_request(whole, None, {}).request.request_id == "r-1"
    assert start_request(whole, None, {"request_id": "r-2"}).request.request_id == "r-2"


def test_tools_tool_choice_and_end_user_reach_the_request():
    tools = [v1.Tool(function=v1.FunctionTool(name="weather"))]
    choice = v1.ToolChoice(mode=v1.ToolChoice.MODE_REQUIRED)
    request = completion_request("Rain?", None, {"tools": tools, "tool_choice": choice, "end_user": "u"})
    again = completion_request(request, None, {"tools": [], "end_user": "w"})

    assert (list(request.tools), request.tool_choice, request.end_user) == (tools, choice, "u")
    assert (list(again.tools), again.tool_choice, again.end_user) == ([], choice, "w")
