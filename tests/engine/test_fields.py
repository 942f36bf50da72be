"""Fields that a model supports, and what becomes of the others."""

import pytest
from dragoman import v1
from dragoman_service.catalogue.fields import fit_fields, set_fields
from dragoman_service.contract import CompletionError

MODEL = v1.Model(
    name="acme/tiny",
    provider="acme",
    provider_model="tiny",
    supported_fields=["generation_config.temperature", "generation_config.response_format.json_schema"],
)


def request_of(*parts, policy=v1.UNSUPPORTED_FIELD_POLICY_UNSPECIFIED, **config):
    message = v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="Hello"), *parts])
    return v1.CompletionRequest(
        model="alias",
        messages=[message],
        unsupported_field_policy=policy,
        generation_config=v1.GenerationConfig(**config),
    )


def warned(**changes):
    return fit_fields(request_of(policy=v1.UNSUPPORTED_FIELD_POLICY_WARN, **changes), MODEL)


def test_supported_fields_are_passed_on_unchanged_with_the_providers_name_of_the_model():
    request = request_of(temperature=0.0)
    fitted, warnings = fit_fields(request, MODEL)

    assert not warnings
    assert fitted.model == "tiny"
    assert fitted.generation_config == request.generation_config
    assert request.model == "alias", "the caller's request is left as it is"


@pytest.mark.parametrize("policy", [v1.UNSUPPORTED_FIELD_POLICY_UNSPECIFIED, v1.UNSUPPORTED_FIELD_POLICY_REJECT])
def test_every_unsupported_field_is_refused_by_name(policy):
    with pytest.raises(CompletionError) as caught:
        fit_fields(request_of(policy=policy, temperature=1, top_k=3, min_p=0.1), MODEL)

    assert caught.value.reason_name == "UNSUPPORTED_FIELD"
    assert [f.field for f in caught.value.fields] == ["generation_config.top_k", "generation_config.min_p"]
    assert caught.value.metadata == {"model": "acme/tiny", "provider": "acme"}
    assert "UNSUPPORTED" not in caught.value.message
    assert "generation_config.temperature" in caught.value.message, "it says what is supported"


def test_with_warn_it_is_left_out_and_reported():
    fitted, warnings = warned(temperature=1.0, top_k=3, response_format=v1.ResponseFormat(json_object={}))

    assert fitted.generation_config == v1.GenerationConfig(temperature=1.0)
    assert [(w.field, w.reason) for w in warnings] == [
        ("generation_config.top_k", "UNSUPPORTED_FIELD"),
        ("generation_config.response_format.json_object", "UNSUPPORTED_FIELD"),
    ]


@pytest.mark.parametrize(
    ("path", "config"),
    [
        ("choice_count", {"choice_count": 2}),
        ("stop_sequences", {"stop_sequences": ["END"]}),
        ("response_format.grammar", {"response_format": v1.ResponseFormat(grammar="root ::= [a]")}),
    ],
)
def test_even_with_warn_nothing_is_left_out_that_silently_changes_the_answer(path, config):
    with pytest.raises(CompletionError) as caught:
        warned(top_k=3, **config)

    assert [wrong.field for wrong in caught.value.fields] == [f"generation_config.{path}"]
    assert "would change the answer" in caught.value.message


def test_response_formats_are_supported_one_by_one():
    schema = v1.ResponseFormat(json_schema=v1.JsonSchema(schema_json="{}"))
    grammar = v1.ResponseFormat(grammar="root ::= 'a'")
    fitted, _ = fit_fields(request_of(response_format=schema), MODEL)

    assert fitted.generation_config.response_format == schema
    with pytest.raises(CompletionError) as caught:
        fit_fields(request_of(response_format=grammar), MODEL)
    assert caught.value.fields[0].field == "generation_config.response_format.grammar"


def test_unsupported_parts_are_left_out_with_warn():
    thought = v1.Part(reasoning=v1.Reasoning(text="hm"))
    request = request_of(thought, v1.Part(refusal="no"), policy=v1.UNSUPPORTED_FIELD_POLICY_WARN)
    request.messages.add(role=v1.ROLE_ASSISTANT).parts.add().CopyFrom(thought)
    fitted, warnings = fit_fields(request, MODEL)

    assert list(fitted.messages) == [v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="Hello")])]
    assert [warning.field for warning in warnings] == ["messages.reasoning", "messages.refusal"]


def test_a_request_of_which_nothing_would_remain_is_refused_even_with_warn():
    request = v1.CompletionRequest(unsupported_field_policy=v1.UNSUPPORTED_FIELD_POLICY_WARN)
    request.messages.add(role=v1.ROLE_ASSISTANT).parts.add(refusal="no")
    with pytest.raises(CompletionError) as caught:
        fit_fields(request, MODEL)

    assert caught.value.reason_name == "UNSUPPORTED_FIELD"


@pytest.mark.parametrize(
    "config",
    [
        {"choice_count": 1},
        {"include_logprobs": False, "top_logprobs": 0},
        {"presence_penalty": 0, "frequency_penalty": 0, "repetition_penalty": 1},
    ],
)
def test_neutral_values_are_honoured_by_all_models(config):
    _, warnings = fit_fields(request_of(**config), MODEL)

    assert not warnings


@pytest.mark.parametrize("config", [{"temperature": 0}, {"seed": 0}, {"max_output_tokens": 1}, {"choice_count": 2}])
def test_zero_is_a_value_like_any_other(config):
    assert set_fields(request_of(**config)) == [f"generation_config.{name}" for name in config]


WEATHER = v1.Tool(function=v1.FunctionTool(name="weather"))
CALLED = v1.Message(role=v1.ROLE_ASSISTANT, parts=[v1.Part(tool_call=v1.ToolCall(id="1", name="weather"))])
ANSWERED = v1.Message(role=v1.ROLE_TOOL, parts=[v1.Part(tool_result=v1.ToolResult(tool_call_id="1", text="Rain"))])
WARN = v1.UNSUPPORTED_FIELD_POLICY_WARN
AUTO, REQUIRED = v1.ToolChoice.MODE_AUTO, v1.ToolChoice.MODE_REQUIRED


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("tools", {"tools": [WEATHER]}),
        ("tools", {"messages": [CALLED, ANSWERED]}),
        ("prompt", {"prompt": "Once upon"}),
        ("messages.author", {"messages": [v1.Message(role=v1.ROLE_USER, author="ann", parts=[v1.Part(text="Hi")])]}),
        (
            "generation_config.reasoning",
            {"generation_config": v1.GenerationConfig(reasoning=v1.ReasoningConfig(effort=v1.REASONING_EFFORT_LOW))},
        ),
    ],
)
def test_what_only_some_models_support_is_named_and_passed_to_those(path, changes):
    request = v1.CompletionRequest(model="alias", **changes)
    able = v1.Model(name="acme/big", provider_model="big", supported_fields=[path])
    fitted, _ = fit_fields(request, able)
    with pytest.raises(CompletionError) as caught:
        fit_fields(request, MODEL)

    assert set_fields(request) == [path]
    assert [violation.field for violation in caught.value.fields] == [path]
    request.model = "big"
    assert fitted == request


def test_tools_and_the_choice_among_them_are_left_out_together_with_warn():
    request = request_of(policy=WARN)
    request.tools.add().CopyFrom(WEATHER)
    request.tool_choice.mode = v1.ToolChoice.MODE_REQUIRED
    fitted, warnings = fit_fields(request, MODEL)

    assert not fitted.tools
    assert not fitted.HasField("tool_choice")
    assert [warning.field for warning in warnings] == ["tools"]


def test_a_choice_among_no_tools_is_not_passed_on():
    request = request_of()
    request.tool_choice.mode = v1.ToolChoice.MODE_NONE
    fitted, warnings = fit_fields(request, MODEL)

    assert (fitted.HasField("tool_choice"), warnings) == (False, [])


def choosing(**choice):
    request = request_of(policy=WARN)
    request.tools.add().CopyFrom(WEATHER)
    request.tool_choice.MergeFrom(v1.ToolChoice(**choice))
    return request


@pytest.mark.parametrize(
    ("path", "choice", "left"),
    [
        ("tool_choice.mode", {"mode": REQUIRED, "allowed_functions": ["weather"]}, {"allowed_functions": ["weather"]}),
        ("tool_choice.parallel", {"mode": AUTO, "parallel": False}, {}),
    ],
)
def test_a_tool_choice_that_a_model_cannot_obey_is_refused_or_left_out(path, choice, left):
    request = choosing(**choice)
    unable = v1.Model(name="acme/big", supported_fields=["tools"])
    able = v1.Model(name="acme/big", supported_fields=["tools", path])
    fitted, warnings = fit_fields(request, unable)
    held, none = fit_fields(request, able)
    request.unsupported_field_policy = v1.UNSUPPORTED_FIELD_POLICY_REJECT
    with pytest.raises(CompletionError) as caught:
        fit_fields(request, unable)

    assert [warning.field for warning in warnings] == [path]
    assert list(fitted.tools) == [WEATHER]
    assert fitted.tool_choice == v1.ToolChoice(mode=AUTO, **left)
    assert (held.tool_choice, none) == (v1.ToolChoice(**choice), [])
    assert [violation.field for violation in caught.value.fields] == [path]


@pytest.mark.parametrize(
    "choice", [{"mode": AUTO}, {"mode": v1.ToolChoice.MODE_NONE}, {"mode": AUTO, "parallel": True}]
)
def test_a_tool_choice_without_demands_is_honoured_by_all_models_with_tools(choice):
    fitted, warnings = fit_fields(choosing(**choice), v1.Model(supported_fields=["tools"]))

    assert (fitted.tool_choice, warnings) == (v1.ToolChoice(**choice), [])


def test_a_conversation_with_tool_calls_is_refused_even_with_warn_because_it_would_be_meaningless():
    request = request_of(policy=WARN)
    request.messages.extend([CALLED, ANSWERED])
    with pytest.raises(CompletionError, match="cannot be left out") as caught:
        fit_fields(request, MODEL)

    assert caught.value.reason_name == "UNSUPPORTED_FIELD"


def test_authors_are_left_out_with_warn_and_their_messages_stay():
    request = request_of(policy=WARN)
    request.messages[0].author = "ann"
    fitted, warnings = fit_fields(request, MODEL)

    assert list(fitted.messages) == [v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="Hello")])]
    assert [warning.field for warning in warnings] == ["messages.author"]


def test_an_unsupported_prompt_is_refused_even_with_warn_because_nothing_would_remain():
    with pytest.raises(CompletionError, match="Nothing would remain"):
        fit_fields(v1.CompletionRequest(model="alias", prompt="Once", unsupported_field_policy=WARN), MODEL)


def test_a_field_for_conversations_only_is_refused_or_left_out_with_a_prompt():
    fields = ["prompt", "generation_config.seed", "generation_config.reasoning"]
    model = v1.Model(name="acme/big", supported_fields=fields, conversation_fields=["generation_config.reasoning"])
    config = v1.GenerationConfig(seed=1, reasoning=v1.ReasoningConfig(effort=v1.REASONING_EFFORT_LOW))
    request = v1.CompletionRequest(prompt="Once", generation_config=config)
    with pytest.raises(CompletionError, match=r"reasoning together with a prompt.*seed\.$") as caught:
        fit_fields(request, model)
    request.unsupported_field_policy = WARN
    fitted, warnings = fit_fields(request, model)
    _, in_conversation = fit_fields(request_of(seed=1, reasoning=config.reasoning), model)

    assert [violation.field for violation in caught.value.fields] == ["generation_config.reasoning"]
    assert [warning.field for warning in warnings] == ["generation_config.reasoning"]
    assert fitted.generation_config == v1.GenerationConfig(seed=1)
    assert not in_conversation


def test_neutral_values_are_not_sent_to_models_that_lack_the_field():
    fitted, _ = fit_fields(request_of(include_logprobs=False, repetition_penalty=1, temperature=1), MODEL)

    assert fitted.generation_config == v1.GenerationConfig(temperature=1)


def test_an_end_user_is_never_refused():
    request = request_of()
    request.end_user = "someone"
    fitted, warnings = fit_fields(request, MODEL)

    assert (fitted.end_user, warnings) == ("someone", [])
