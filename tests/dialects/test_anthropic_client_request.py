"""Requests are encoded as Anthropic's API takes them, which refuses much that others leave to the model."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from dragoman import v1
from dragoman_service.dialects.anthropic.client.dialect import AnthropicClientDialect
from dragoman_service.dialects.anthropic.client.traits import traits_of
from dragoman_service.errors import CompletionError

MARK = b"anthropic:"
DIALECT = AnthropicClientDialect(MARK)
HI = v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="Hi")])
OLD, BOTH, EARLY, NEWEST = "claude-sonnet-4-5-20250929", "claude-opus-4-6", "claude-opus-4-7", "claude-opus-5"


def encoded(*messages: v1.Message, model: str = "m", **fields: Any) -> Any:
    request = v1.CompletionRequest(model=model, messages=messages or [HI], **fields)
    return orjson.loads(DIALECT.encode_request(request))


def thinking(model: str, limit: int = 50_000, **reasoning: Any) -> Any:
    config = v1.GenerationConfig(max_output_tokens=limit, reasoning=v1.ReasoningConfig(**reasoning))
    found = encoded(model=model, generation_config=config)
    return found.get("thinking"), found.get("output_config")


def said(role: v1.Role.ValueType, *parts: v1.Part) -> v1.Message:
    return v1.Message(role=role, parts=parts)


def hinted(text: str, seconds: int = 0) -> v1.Part:
    part = v1.Part(text=text)
    part.cache_hint.SetInParent()
    if seconds:
        part.cache_hint.ttl.seconds = seconds
    return part


def test_a_limit_of_tokens_is_always_sent() -> None:
    assert encoded() == {
        "model": "m",
        "stream": True,
        "max_tokens": 32_000,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    }
    assert encoded(model="claude-3-haiku-20240307")["max_tokens"] == 4096
    assert encoded(generation_config=v1.GenerationConfig(max_output_tokens=7))["max_tokens"] == 7


@pytest.mark.parametrize(
    ("model", "reasoning", "expected"),
    [
        (OLD, {"effort": v1.REASONING_EFFORT_MEDIUM}, ({"type": "enabled", "budget_tokens": 8192}, None)),
        (OLD, {"budget_tokens": 100}, ({"type": "enabled", "budget_tokens": 1024}, None)),
        (BOTH, {"effort": v1.REASONING_EFFORT_MINIMAL}, ({"type": "adaptive"}, {"effort": "low"})),
        (BOTH, {"budget_tokens": 3000}, ({"type": "enabled", "budget_tokens": 3000}, None)),
        (NEWEST, {"budget_tokens": 3000}, ({"type": "adaptive"}, {"effort": "medium"})),
        (NEWEST, {"budget_tokens": 900_000}, ({"type": "adaptive"}, {"effort": "max"})),
        (NEWEST, {"effort": v1.REASONING_EFFORT_NONE}, ({"type": "disabled"}, None)),
        (NEWEST, {"budget_tokens": 0}, ({"type": "disabled"}, None)),
        (
            NEWEST,
            {"effort": v1.REASONING_EFFORT_XHIGH, "visibility": v1.REASONING_VISIBILITY_HIDDEN},
            ({"type": "adaptive", "display": "omitted"}, {"effort": "xhigh"}),
        ),
        (
            NEWEST,
            {"visibility": v1.REASONING_VISIBILITY_VISIBLE},
            ({"type": "adaptive", "display": "summarized"}, None),
        ),
        (OLD, {"visibility": v1.REASONING_VISIBILITY_VISIBLE}, (None, None)),
    ],
)
def test_reasoning_is_asked_for_as_the_generation_of_the_model_knows_it(
    model: str, reasoning: Any, expected: Any
) -> None:
    assert thinking(model, **reasoning) == expected


def test_a_budget_stays_below_the_limit_of_tokens() -> None:
    assert thinking(OLD, 2000, budget_tokens=9000)[0] == {"type": "enabled", "budget_tokens": 1999}
    assert thinking(OLD, 500, budget_tokens=9000)[0] == {"type": "disabled"}


def test_newer_models_do_not_claim_sampling_and_older_ones_hear_late_instructions_early() -> None:
    late = said(v1.ROLE_SYSTEM, v1.Part(text="Shout."))
    first = said(v1.ROLE_DEVELOPER, v1.Part(text="Be brief."))
    old, new = encoded(first, HI, late, HI, model=EARLY), encoded(first, HI, late, HI, model=NEWEST)

    assert [block["text"] for block in old["system"]] == ["Be brief.", "Shout."]
    assert [turn["role"] for turn in old["messages"]] == ["user", "user"]
    assert [block["text"] for block in new["system"]] == ["Be brief."]
    assert [turn["role"] for turn in new["messages"]] == ["user", "system", "user"]
    assert "generation_config.temperature" not in traits_of("anthropic/claude-opus-5").supported_fields
    assert "generation_config.temperature" in traits_of(OLD).supported_fields


def test_the_last_four_marks_of_caches_count_and_no_shorter_time_comes_first() -> None:
    tool = v1.Tool(function=v1.FunctionTool(name="f"))
    tool.cache_hint.SetInParent()
    found = encoded(
        said(v1.ROLE_SYSTEM, hinted("a")),
        said(v1.ROLE_USER, hinted("b"), hinted("c", 3000)),
        said(v1.ROLE_ASSISTANT, hinted("d", 60)),
        tools=[tool],
    )
    (user, assistant) = found["messages"]

    assert "cache_control" not in found["tools"][0]
    assert found["system"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert [block["cache_control"]["ttl"] for block in user["content"]] == ["1h", "1h"]
    assert assistant["content"][0]["cache_control"] == {"type": "ephemeral", "ttl": "5m"}


def test_results_are_one_turn_with_their_files_and_failures() -> None:
    calls = [v1.ToolCall(id=f"functions.f:{n}", name="f", arguments_json="") for n in range(2)]
    image = v1.Part(blob=v1.Blob(media_type="image/png", data=b"png"))
    results = [v1.ToolResult(tool_call_id=call.id, text="No", is_error=True) for call in calls]
    found = encoded(
        HI,
        said(v1.ROLE_ASSISTANT, *(v1.Part(tool_call=call) for call in calls)),
        said(v1.ROLE_TOOL, v1.Part(tool_result=results[0]), image),
        said(v1.ROLE_TOOL, v1.Part(tool_result=results[1])),
    )
    used, answered = found["messages"][1]["content"], found["messages"][2]

    assert used[0] == {"type": "tool_use", "id": "functions_f_0", "name": "f", "input": {}}
    assert answered["role"] == "user"
    assert [block["tool_use_id"] for block in answered["content"]] == ["functions_f_0", "functions_f_1"]
    assert [block["type"] for block in answered["content"][0]["content"]] == ["text", "image"]
    assert answered["content"][1]["is_error"] is True


def test_media_are_blocks_of_their_kind() -> None:
    found = encoded(
        said(
            v1.ROLE_USER,
            v1.Part(blob=v1.Blob(media_type="application/pdf", data=b"pdf", name="a.pdf")),
            v1.Part(blob=v1.Blob(media_type="text/plain", data=b"words")),
            v1.Part(file=v1.File(uri="https://i.example/a.png")),
            v1.Part(file=v1.File(id="file_1", media_type="application/pdf")),
        )
    )
    pdf, text, image, stored = found["messages"][0]["content"]

    assert pdf["source"] == {"type": "base64", "media_type": "application/pdf", "data": "cGRm"}
    assert (pdf["type"], pdf["title"]) == ("document", "a.pdf")
    assert text["source"] == {"type": "text", "media_type": "text/plain", "data": "words"}
    assert image == {"type": "image", "source": {"type": "url", "url": "https://i.example/a.png"}}
    assert stored == {"type": "document", "source": {"type": "file", "file_id": "file_1"}}


def test_only_what_the_vendor_wrote_goes_back_to_it() -> None:
    found = encoded(
        HI,
        said(
            v1.ROLE_ASSISTANT,
            v1.Part(reasoning=v1.Reasoning(text="Hm"), state=MARK + b"s:sig"),
            v1.Part(reasoning=v1.Reasoning(), state=MARK + b"r:data"),
            v1.Part(reasoning=v1.Reasoning(text="Foreign"), state=b"other:sig"),
            v1.Part(reasoning=v1.Reasoning(text="Unmarked"), state=b"s:sig"),
            v1.Part(reasoning=v1.Reasoning(text="Unsigned")),
            v1.Part(text="Yes", state=b"other:sig"),
        ),
        HI,
    )

    assert found["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "Hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "data"},
        {"type": "text", "text": "Yes"},
    ]


def test_the_choice_among_tools() -> None:
    tools = [v1.Tool(function=v1.FunctionTool(name=name, description="d", strict=True)) for name in "fg"]
    one = v1.ToolChoice(mode=v1.ToolChoice.MODE_REQUIRED, allowed_functions=["g"], parallel=False)
    found = encoded(tools=tools, tool_choice=one, end_user="u")
    plain = encoded(tools=tools, tool_choice=v1.ToolChoice(mode=v1.ToolChoice.MODE_NONE, parallel=True))

    assert found["tool_choice"] == {"type": "tool", "name": "g", "disable_parallel_tool_use": True}
    assert [tool["name"] for tool in found["tools"]] == ["g"]
    assert found["tools"][0]["strict"] is True
    assert plain["tool_choice"] == {"type": "none"}
    assert found["metadata"] == {"user_id": "u"}


def test_what_the_vendor_refuses_is_not_sent() -> None:
    empty, data = said(v1.ROLE_ASSISTANT, v1.Part(text="")), said(v1.ROLE_DATA, v1.Part(text="Obey!"))
    found = encoded(HI, empty, data)

    assert [turn["role"] for turn in found["messages"]] == ["user", "user"]
    assert found["messages"][1]["content"][0]["text"].endswith("> Obey!")


def test_arguments_that_are_no_object_are_refused() -> None:
    call = v1.ToolCall(id="c", name="f", arguments_json="[1]")
    with pytest.raises(CompletionError) as caught:
        encoded(HI, said(v1.ROLE_ASSISTANT, v1.Part(tool_call=call)))

    assert caught.value.fields[0].field == "messages.tool_call.arguments_json"


def test_tokens_are_counted_without_what_only_answers_need() -> None:
    body = orjson.loads(DIALECT.encode_count(v1.CompletionRequest(model="m", messages=[HI])))

    assert set(body) == {"model", "messages"}
