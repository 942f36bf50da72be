"""What Gemini is sent, as the vendor documents it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from dragoman import v1
from dragoman_service.dialects.google.gemini.client.dialect import GeminiClientDialect
from dragoman_service.dialects.google.gemini.client.response import decode_count
from dragoman_service.dialects.google.gemini.enums import Api

MARK = b"mine:"


def asking(**more: Any) -> v1.CompletionRequest:
    prompt = v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="Hi")])
    return v1.CompletionRequest(**{"model": "gemini-3-pro", "messages": [prompt], **more})


def sent(api: Api = Api.GEMINI, **more: Any) -> Any:
    return orjson.loads(GeminiClientDialect(api, MARK).encode_request(asking(**more)))


def config(model: str = "gemini-3-pro", **given: Any) -> Any:
    return sent(model=model, generation_config=v1.GenerationConfig(**given))["generationConfig"]


def test_a_conversation_is_sent_with_its_instructions_apart() -> None:
    roles = (v1.ROLE_SYSTEM, v1.ROLE_USER, v1.ROLE_ASSISTANT, v1.ROLE_DEVELOPER, v1.ROLE_DATA)
    body = sent(messages=[v1.Message(role=role, parts=[v1.Part(text=str(role))]) for role in roles])

    assert body["systemInstruction"] == {"parts": [{"text": "1"}, {"text": "2"}]}
    assert [(turn["role"], len(turn["parts"])) for turn in body["contents"]] == [("user", 1), ("model", 1), ("user", 1)]
    assert body["contents"][2]["parts"][0]["text"].endswith("\n> 6")


def test_numbers_and_formats_are_sent_under_the_vendors_names() -> None:
    found = config(
        max_output_tokens=9,
        top_k=4,
        choice_count=2,
        seed=2**32 + 5,
        stop_sequences=["a"],
        include_logprobs=True,
        top_logprobs=3,
        response_format=v1.ResponseFormat(json_schema=v1.JsonSchema(schema_json='{"type": "object"}')),
    )

    assert found == {
        "maxOutputTokens": 9,
        "topK": 4,
        "candidateCount": 2,
        "seed": 5,
        "stopSequences": ["a"],
        "responseLogprobs": True,
        "logprobs": 3,
        "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object"},
    }


@pytest.mark.parametrize(
    ("model", "effort", "thinking"),
    [
        ("gemini-2.5-flash", v1.REASONING_EFFORT_NONE, {"thinkingBudget": 0}),
        ("gemini-2.5-flash", v1.REASONING_EFFORT_LOW, {"thinkingBudget": 1024, "includeThoughts": True}),
        ("gemini-2.5-pro", v1.REASONING_EFFORT_MEDIUM, {"thinkingBudget": 8192, "includeThoughts": True}),
        ("models/gemini-2.5-pro", v1.REASONING_EFFORT_HIGH, {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-3-pro", v1.REASONING_EFFORT_NONE, {"thinkingBudget": 0}),
        ("gemini-3-pro", v1.REASONING_EFFORT_MINIMAL, {"thinkingLevel": "MINIMAL", "includeThoughts": True}),
        ("gemini-3-pro", v1.REASONING_EFFORT_XHIGH, {"thinkingLevel": "HIGH", "includeThoughts": True}),
    ],
)
def test_an_effort_is_a_budget_or_a_level_by_the_models_generation(model: str, effort: Any, thinking: Any) -> None:
    assert config(model, reasoning=v1.ReasoningConfig(effort=effort))["thinkingConfig"] == thinking


def test_thinking_is_not_mentioned_to_those_who_do_not_ask() -> None:
    assert "thinkingConfig" not in config(temperature=0)
    assert "generationConfig" not in sent()


def test_tools_are_sent_with_their_schemas_and_results_in_the_order_of_calls() -> None:
    calls = [v1.ToolCall(id=name, name="f", arguments_json='{"x":1}') for name in ("a", "b")]
    results = [
        v1.ToolResult(tool_call_id="b", text='{"sky":"blue"}'),
        v1.ToolResult(tool_call_id="a", text="[1]"),
    ]
    body = sent(
        messages=[
            v1.Message(role=v1.ROLE_ASSISTANT, parts=[v1.Part(tool_call=call) for call in calls]),
            *(v1.Message(role=v1.ROLE_TOOL, parts=[v1.Part(tool_result=result)]) for result in results),
        ],
        tools=[
            v1.Tool(function=v1.FunctionTool(name="f", description="d", parameters_json_schema='{"type":"object"}'))
        ],
        tool_choice=v1.ToolChoice(mode=v1.ToolChoice.MODE_REQUIRED, allowed_functions=["f"]),
    )

    (tool,) = body["tools"]
    assert tool == {
        "functionDeclarations": [{"name": "f", "description": "d", "parametersJsonSchema": {"type": "object"}}]
    }
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}}
    assert body["contents"][0]["parts"] == [{"functionCall": {"name": "f", "args": {"x": 1}}}] * 2
    assert [part["functionResponse"]["response"] for part in body["contents"][1]["parts"]] == [
        {"result": "[1]"},
        {"sky": "blue"},
    ]


def test_only_state_of_its_own_is_sent() -> None:
    states = (b"mine:\xfb\xff", b"others", b"")
    parts = [v1.Part(text="x", state=state) for state in states]
    body = sent(messages=[v1.Message(role=v1.ROLE_ASSISTANT, parts=parts)])

    assert [part.get("thoughtSignature") for part in body["contents"][0]["parts"]] == ["+/8=", None, None]


def test_safety_settings_of_categories_that_the_vendor_has_are_sent() -> None:
    settings = [
        v1.SafetySetting(category="hate_speech", block_at=v1.SAFETY_THRESHOLD_NONE),
        v1.SafetySetting(category="harassment", block_at=v1.SAFETY_THRESHOLD_HIGH),
        v1.SafetySetting(category="company_secrets", block_at=v1.SAFETY_THRESHOLD_LOW),
    ]

    assert sent(safety_settings=settings)["safetySettings"] == [
        {"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_NONE"},
        {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_ONLY_HIGH"},
    ]


def test_counting_sends_what_is_counted() -> None:
    instruction = v1.Message(role=v1.ROLE_SYSTEM, parts=[v1.Part(text="Be brief.")])
    prompt = v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="Hi")])
    request = asking(messages=[instruction, prompt], generation_config=v1.GenerationConfig(top_k=1))
    gemini = orjson.loads(GeminiClientDialect().encode_count(request, "models/m"))
    vertex = orjson.loads(GeminiClientDialect(Api.VERTEX).encode_count(request, "models/m"))

    assert gemini["generateContentRequest"]["model"] == "models/m"
    assert sorted(gemini["generateContentRequest"]) == ["contents", "generationConfig", "model", "systemInstruction"]
    assert sorted(vertex) == ["contents", "systemInstruction"]
    assert decode_count(b'{"totalTokens": 7}').input_tokens == 7


@pytest.mark.parametrize(
    ("reasoning", "thinking"),
    [
        ({"budget_tokens": 300}, {"thinkingBudget": 300, "includeThoughts": True}),
        ({"budget_tokens": 300, "visibility": v1.REASONING_VISIBILITY_HIDDEN}, {"thinkingBudget": 300}),
        ({"budget_tokens": 0}, {"thinkingBudget": 0}),
        ({"visibility": v1.REASONING_VISIBILITY_VISIBLE}, {"includeThoughts": True}),
        ({"effort": v1.REASONING_EFFORT_MAX}, {"thinkingLevel": "HIGH", "includeThoughts": True}),
    ],
)
def test_a_number_of_tokens_and_what_is_shown_are_sent(reasoning: dict[str, Any], thinking: dict[str, Any]) -> None:
    assert config(reasoning=v1.ReasoningConfig(**reasoning))["thinkingConfig"] == thinking


def test_hidden_reasoning_without_an_amount_asks_for_nothing() -> None:
    hidden = v1.ReasoningConfig(visibility=v1.REASONING_VISIBILITY_HIDDEN)

    assert "generationConfig" not in sent(generation_config=v1.GenerationConfig(reasoning=hidden))
