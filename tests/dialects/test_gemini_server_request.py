"""Requests of Gemini's programs are decoded, as the clients in Python and Node, curl and generated ones write them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from dragoman import v1
from dragoman_service.dialects.google.gemini.enums import Api
from dragoman_service.dialects.google.gemini.server.request import GeminiRequest, decode_count, decode_request
from dragoman_service.errors import CompletionError

HIDDEN, VISIBLE = v1.REASONING_VISIBILITY_HIDDEN, v1.REASONING_VISIBILITY_VISIBLE
HI = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


def decoded(api: Api = Api.GEMINI, **body: Any) -> GeminiRequest:
    return decode_request(orjson.dumps({**HI, **body}), api)


def config(**given: Any) -> v1.GenerationConfig:
    return decoded(generationConfig=given).request.generation_config


def refused(api: Api = Api.GEMINI, **body: Any) -> str:
    with pytest.raises(CompletionError) as caught:
        decoded(api, **body)

    assert caught.value.reason == v1.ERROR_REASON_INVALID_FIELD
    return caught.value.message


def test_a_conversation_is_decoded_with_its_instruction() -> None:
    request = decoded(
        systemInstruction={"role": "user", "parts": [{"text": "Be brief."}]},
        contents=[
            {"role": "user", "parts": [{"text": "One."}, {"text": "Two."}]},
            {"role": "model", "parts": [{"text": "Hm", "thought": True}, {"text": "Three."}]},
            {"parts": {"text": "Four."}},
        ],
    ).request

    assert [(message.role, len(message.parts)) for message in request.messages] == [
        (v1.ROLE_SYSTEM, 1),
        (v1.ROLE_USER, 2),
        (v1.ROLE_ASSISTANT, 2),
        (v1.ROLE_USER, 1),
    ]
    assert request.messages[2].parts[0].reasoning.text == "Hm"
    assert request.messages[3].parts[0].text == "Four."


def test_keys_are_read_in_both_spellings_in_one_body() -> None:
    found = decoded(
        system_instruction={"parts": [{"text": "Be brief."}]},
        generation_config={"max_output_tokens": 5, "topP": 0.5, "thinkingConfig": {"include_thoughts": True}},
    )

    assert found.request.messages[0].role == v1.ROLE_SYSTEM
    assert (found.request.generation_config.max_output_tokens, found.request.generation_config.top_p) == (5, 0.5)
    assert found.thoughts
    assert not found.warnings


def test_sampling_is_decoded_as_numbers_of_any_form() -> None:
    found = config(
        temperature=0.25,
        topK=4.0,
        candidateCount="2",
        seed=-7,
        presencePenalty=1,
        stopSequences=["a"],
        maxOutputTokens=9,
    )

    assert (found.temperature, found.top_k, found.choice_count, found.seed) == (0.25, 4, 2, -7)
    assert (found.presence_penalty, list(found.stop_sequences), found.max_output_tokens) == (1, ["a"], 9)
    assert refused(generationConfig={"topK": 4.5}) == "generationConfig.topK: must be a whole number"
    assert refused(generationConfig={"topP": "much"}) == "generationConfig.topP: must be a number"


@pytest.mark.parametrize(
    ("thinking", "wanted"),
    [
        ({"thinkingBudget": 0}, {"effort": v1.REASONING_EFFORT_NONE}),
        ({"thinkingBudget": 1}, {"budget_tokens": 1, "visibility": HIDDEN}),
        ({"thinking_budget": 8193, "includeThoughts": True}, {"budget_tokens": 8193}),
        ({"includeThoughts": True}, {"visibility": VISIBLE}),
        ({"thinkingLevel": "MINIMAL", "includeThoughts": True}, {"effort": v1.REASONING_EFFORT_MINIMAL}),
        ({"thinkingLevel": "low"}, {"effort": v1.REASONING_EFFORT_LOW, "visibility": HIDDEN}),
        ({"thinkingLevel": "XHIGH", "includeThoughts": True}, {"effort": v1.REASONING_EFFORT_XHIGH}),
    ],
)
def test_thinking_is_an_amount_or_a_number_of_tokens(thinking: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert config(thinkingConfig=thinking).reasoning == v1.ReasoningConfig(**wanted)


def test_a_dynamic_budget_leaves_the_effort_to_the_model() -> None:
    assert not config(thinkingConfig={"thinkingBudget": -1}).HasField("reasoning")
    assert "thinkingBudget: must be" in refused(generationConfig={"thinkingConfig": {"thinkingBudget": -2}})


def test_numbers_of_enums_are_those_of_the_api() -> None:
    declared = [{"functionDeclarations": [{"name": "f"}]}]
    mode = {"functionCallingConfig": {"mode": 2, "allowedFunctionNames": ["f"]}}
    safety = [{"category": 10, "threshold": 1}]
    gemini = decoded(tools=declared, toolConfig=mode, safetySettings=safety)
    vertex = decoded(Api.VERTEX, safetySettings=[{"category": 2, "threshold": 3}])

    assert gemini.request.tool_choice == v1.ToolChoice(mode=v1.ToolChoice.MODE_REQUIRED, allowed_functions=["f"])
    assert list(gemini.request.safety_settings) == [
        v1.SafetySetting(category="dangerous_content", block_at=v1.SAFETY_THRESHOLD_LOW)
    ]
    assert list(vertex.request.safety_settings) == [
        v1.SafetySetting(category="dangerous_content", block_at=v1.SAFETY_THRESHOLD_HIGH)
    ]
    level = {"thinkingConfig": {"thinkingLevel": 4}}
    assert decoded(Api.VERTEX, generationConfig=level).request.generation_config.reasoning.effort == 2
    assert "send its name" in refused(generationConfig=level)


def test_safety_settings_keep_the_last_of_each_category() -> None:
    found = decoded(
        safetySettings=[
            {"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_NONE"},
            {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF", "method": "SEVERITY"},
            {"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_MEDIUM_AND_ABOVE"},
            {"category": "HARM_CATEGORY_SEXUALLY_EXPLICIT", "threshold": "HARM_BLOCK_THRESHOLD_UNSPECIFIED"},
        ]
    )

    assert {setting.category: setting.block_at for setting in found.request.safety_settings} == {
        "hate_speech": v1.SAFETY_THRESHOLD_MEDIUM,
        "harassment": v1.SAFETY_THRESHOLD_NONE,
    }
    assert [warning.field for warning in found.warnings] == ["safetySettings[1].method", "safetySettings[3]"]
    assert "threshold: must be one of" in refused(
        safetySettings=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "SOMETIMES"}]
    )


def test_schemas_become_json_schemas_in_the_order_asked_for() -> None:
    schema = {
        "type": "OBJECT",
        "properties": {
            "size": {"type": "INTEGER", "nullable": True, "format": "int32"},
            "names": {"type": "ARRAY", "items": {"type": "STRING"}, "min_items": "1", "maxItems": 3.0},
            "min_items": {"type": "STRING", "format": "enum", "enum": ["a", "b"]},
        },
        "required": ["size"],
        "property_ordering": ["names", "size"],
    }
    found = config(responseMimeType="application/json", responseSchema=schema).response_format.json_schema

    assert found.schema_json == (
        '{"type":"object","properties":{"names":{"type":"array","items":{"type":"string"},"minItems":1,"maxItems":3},'
        '"size":{"type":["integer","null"]},"min_items":{"type":"string","enum":["a","b"]}},"required":["size"]}'
    )


def test_json_schemas_stay_as_they_are() -> None:
    schema = {"type": "object", "properties": {"max_items": {"type": "string"}}, "$defs": {}}
    found = config(responseMimeType="application/json", response_json_schema=schema)
    function = {"name": "f", "parameters_json_schema": schema}
    (tool,) = decoded(tools=[{"functionDeclarations": [function]}]).request.tools

    assert orjson.loads(found.response_format.json_schema.schema_json) == schema
    assert orjson.loads(tool.function.parameters_json_schema) == schema


def test_json_without_a_schema_is_any_object() -> None:
    assert config(responseMimeType="application/json").response_format.HasField("json_object")
    assert not config(responseMimeType="text/plain").HasField("response_format")
    assert "send application/json and a schema" in refused(generationConfig={"responseMimeType": "text/x.enum"})


def test_responses_are_paired_with_calls_by_name_and_order() -> None:
    def call(city: str, **more: Any) -> dict[str, Any]:
        return {"functionCall": {"name": "weather", "args": {"max_items": city}, **more}}

    def response(**returned: Any) -> dict[str, Any]:
        return {"functionResponse": {"name": "weather", "response": returned}}

    request = decoded(
        contents=[
            {"role": "user", "parts": [{"text": "Weather?"}]},
            {"role": "model", "parts": [call("Bern"), call("Rome"), {**call("Oslo", id="mine"), "thought": None}]},
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"id": "mine", "name": "weather", "response": {"result": "snow"}}},
                    response(error="no data"),
                    response(result={"sky": "blue"}),
                    {"text": "Well?"},
                ],
            },
        ]
    ).request

    calls, results, last = request.messages[1:]
    assert [(part.tool_call.id, part.tool_call.arguments_json) for part in calls.parts] == [
        ("call00001", '{"max_items":"Bern"}'),
        ("call00002", '{"max_items":"Rome"}'),
        ("mine", '{"max_items":"Oslo"}'),
    ]
    returned = [part.tool_result for part in results.parts]
    assert [(result.tool_call_id, result.text, result.is_error) for result in returned] == [
        ("mine", "snow", False),
        ("call00001", "no data", True),
        ("call00002", '{"result":{"sky":"blue"}}', False),
    ]
    assert (results.role, last.role, last.parts[0].text) == (v1.ROLE_TOOL, v1.ROLE_USER, "Well?")


def test_a_response_to_no_call_is_refused() -> None:
    part = {"functionResponse": {"name": "weather", "response": {}}}

    assert refused(contents=[{"role": "user", "parts": [part]}]).startswith(
        "contents[0].parts[0].functionResponse.name: must name a function"
    )


def test_signatures_of_thoughts_are_the_state_of_their_parts() -> None:
    request = decoded(
        contents=[
            {"role": "user", "parts": [{"text": "Hi"}]},
            {
                "role": "model",
                "parts": [
                    {"text": "Hm", "thought": True, "thoughtSignature": "--__"},
                    {"functionCall": {"name": "f"}, "thought_signature": "++//"},
                    {"text": "", "thoughtSignature": "YQ"},
                ],
            },
        ]
    ).request

    assert [part.state for part in request.messages[1].parts] == [b"\xfb\xef\xff", b"\xfb\xef\xff", b"a"]
    assert request.messages[1].parts[1].tool_call.arguments_json == "{}"


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ({"inlineData": {"data": "aa=="}}, "inlineData.mimeType: is required"),
        ({"inlineData": {"mimeType": "image/png"}}, "inlineData.data: must hold"),
        ({"inlineData": {"mimeType": "image/png", "data": "?"}}, "inlineData.data: must be bytes in base64"),
        ({"executableCode": {"code": "1"}}, "executableCode: is not supported"),
    ],
)
def test_a_part_that_makes_no_sense_is_refused_by_its_name(part: dict[str, Any], name: str) -> None:
    assert refused(contents=[{"role": "user", "parts": [{"text": "See"}, part]}]).startswith(
        f"contents[0].parts[1].{name}"
    )


def test_what_would_change_the_answer_is_refused() -> None:
    assert refused(tools=[{"googleSearch": {}}]).startswith("tools[0].googleSearch: is not supported")
    assert refused(cached_content="cachedContents/1").startswith("cachedContent: is not supported")
    assert refused(generationConfig={"responseModalities": ["TEXT", "IMAGE"]}).startswith(
        "generationConfig.responseModalities: must be TEXT"
    )
    assert refused(contents=[{"role": "assistant", "parts": []}]) == "contents[0].role: must be user or model"


def test_what_changes_nothing_is_left_out_with_a_warning() -> None:
    found = decoded(
        generationConfig={
            "speechConfig": {"x": 1},
            "audioTimestamp": False,
            "newKnob": 1,
            "responseModalities": ["TEXT"],
        },
        toolConfig={"functionCallingConfig": {"mode": "VALIDATED"}},
        tools=[{"functionDeclarations": [{"name": "f", "response": {"type": "STRING"}}]}],
        labels={"team": "a"},
    )

    assert [warning.field for warning in found.warnings] == [
        "tools[0].functionDeclarations[0].response",
        "toolConfig.functionCallingConfig.mode",
        "generationConfig.speechConfig",
        "generationConfig.newKnob",
    ]
    assert dict(found.request.labels) == {"team": "a"}
    assert found.request.tool_choice.mode == v1.ToolChoice.MODE_AUTO


def test_nothing_is_left_out_for_those_who_reject() -> None:
    with pytest.raises(CompletionError, match=r"newKnob: This service does not know it\. Leave it out\."):
        decode_request(orjson.dumps({**HI, "newKnob": 1}), Api.GEMINI, reject=True)


def test_a_count_may_hold_the_whole_request() -> None:
    whole = decode_count(orjson.dumps({"generateContentRequest": {"model": "models/m", **HI}}), Api.GEMINI)
    bare = decode_count(orjson.dumps(HI), Api.VERTEX)

    assert (whole.request.model, whole.request.messages) == ("models/m", bare.request.messages)
