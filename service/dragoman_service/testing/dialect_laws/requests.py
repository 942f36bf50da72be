"""Requests for the laws of a dialect: random ones, over the optional fields that both sides support."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from typing import Any

from dragoman import v1
from hypothesis import strategies as st

WORDS = st.text(min_size=1, max_size=12)
NAMES = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_-]{0,7}", fullmatch=True)
_UNIT = st.integers(1, 64).map(lambda number: number / 64)  # exact in floats of any width
_JSON = st.recursive(
    WORDS | st.integers(-99, 99) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)

Set = Callable[[v1.CompletionRequest, Any], None]


def json_object(value: dict[str, Any]) -> str:
    """JSON text in a form that every dialect keeps: compact, with sorted keys."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


OBJECTS = st.dictionaries(WORDS, _JSON, max_size=3).map(json_object)
SCHEMAS = st.dictionaries(NAMES, st.just({"type": "string"}), max_size=2).map(
    lambda properties: json_object({"type": "object", "properties": properties})
)


def _config(name: str) -> Set:
    return lambda request, value: setattr(request.generation_config, name, value)


def _format(name: str) -> Set:
    def put(request: v1.CompletionRequest, value: Any) -> None:
        request.generation_config.response_format.CopyFrom(v1.ResponseFormat(**{name: value}))

    return put


def _reasoning(request: v1.CompletionRequest, effort: v1.ReasoningEffort.ValueType) -> None:
    request.generation_config.reasoning.effort = effort


def _budget(request: v1.CompletionRequest, tokens: int) -> None:
    """It replaces the effort."""
    request.generation_config.reasoning.CopyFrom(v1.ReasoningConfig(budget_tokens=tokens))


def _choice(name: str) -> Set:
    return lambda request, value: setattr(request.tool_choice, name, value)


_EFFORTS = (v1.REASONING_EFFORT_NONE, v1.REASONING_EFFORT_MEDIUM)
_MODES = (v1.ToolChoice.MODE_AUTO, v1.ToolChoice.MODE_NONE, v1.ToolChoice.MODE_REQUIRED)
_CONFIG: dict[str, tuple[st.SearchStrategy[Any], Set]] = {
    "max_output_tokens": (st.integers(1, 1000), _config("max_output_tokens")),
    "temperature": (_UNIT, _config("temperature")),
    "top_p": (_UNIT, _config("top_p")),
    "top_k": (st.integers(1, 9), _config("top_k")),
    "min_p": (_UNIT, _config("min_p")),
    "stop_sequences": (
        st.lists(WORDS, min_size=1, max_size=3),
        lambda request, stops: request.generation_config.stop_sequences.extend(stops),
    ),
    "seed": (st.integers(0, 2**31 - 1), _config("seed")),
    "choice_count": (st.integers(2, 8), _config("choice_count")),
    "presence_penalty": (_UNIT, _config("presence_penalty")),
    "frequency_penalty": (_UNIT, _config("frequency_penalty")),
    "repetition_penalty": (_UNIT, _config("repetition_penalty")),
    "include_logprobs": (st.just(True), _config("include_logprobs")),
    "top_logprobs": (st.integers(0, 5), _config("top_logprobs")),
    "reasoning": (st.sampled_from(_EFFORTS), _reasoning),
    "reasoning.budget_tokens": (st.integers(1, 9999), _budget),
}
_FORMATS: dict[str, tuple[st.SearchStrategy[Any], Set]] = {
    "json_object": (st.just(v1.JsonObject()), _format("json_object")),
    "json_schema": (SCHEMAS.map(lambda schema: v1.JsonSchema(schema_json=schema)), _format("json_schema")),
    "grammar": (WORDS, _format("grammar")),
}
_MEDIA = {
    "messages.blob": st.binary(min_size=1, max_size=8).map(
        lambda data: v1.Part(blob=v1.Blob(media_type="image/png", data=data))
    ),
    "messages.file": NAMES.map(
        lambda name: v1.Part(file=v1.File(uri=f"https://files.example/{name}.png", media_type="image/png"))
    ),
}
_SAFETY_SETTINGS = st.lists(
    st.builds(
        lambda category, block_at: v1.SafetySetting(category=category, block_at=block_at),
        st.sampled_from(("hate_speech", "dangerous_content", "harassment", "sexually_explicit")),
        st.sampled_from([threshold for threshold in v1.SafetyThreshold.values() if threshold]),
    ),
    max_size=3,
    unique_by=lambda setting: setting.category,
)
FIELDS = frozenset(
    {f"generation_config.{name}" for name in _CONFIG}
    | {f"generation_config.response_format.{name}" for name in _FORMATS}
    | {*_MEDIA, "messages.author", "messages.reasoning", "messages.refusal", "prompt", "tools"}
    | {"safety_settings", "tool_choice.mode", "tool_choice.parallel"}
)
"""Every path that `supported_fields` may list."""


@st.composite
def requests(
    draw: st.DrawFn, model: str, fields: Collection[str], *, conversations: bool = True, states: bool = False
) -> v1.CompletionRequest:
    """A request with any of `fields`. Without `conversations` it always has a prompt instead of messages.

    With `states`, parts of the assistant's messages have some.
    """
    request = v1.CompletionRequest(model=model)
    if "prompt" in fields and not (conversations and draw(st.booleans())):
        request.prompt = draw(WORDS)
    else:
        _draw_conversation(draw, request, fields)
    for name, (values, put) in _CONFIG.items():
        if f"generation_config.{name}" in fields and draw(st.booleans()):
            put(request, draw(values))
    if request.generation_config.HasField("include_logprobs") or request.generation_config.HasField("top_logprobs"):
        _complete_logprobs(request.generation_config, fields)
    if "safety_settings" in fields and draw(st.booleans()):
        request.safety_settings.extend(draw(_SAFETY_SETTINGS))
    if states:
        _draw_states(draw, request)
    formats = [name for name in _FORMATS if f"generation_config.response_format.{name}" in fields]
    if bool(formats) and draw(st.booleans()):
        values, put = _FORMATS[draw(st.sampled_from(formats))]
        put(request, draw(values))
    return request


def _draw_states(draw: st.DrawFn, request: v1.CompletionRequest) -> None:
    for message in request.messages:
        for part in message.parts:
            if message.role == v1.ROLE_ASSISTANT and draw(st.booleans()):
                part.state = draw(st.binary(min_size=1, max_size=8))


def _complete_logprobs(config: v1.GenerationConfig, fields: Collection[str]) -> None:
    """The two fields about logprobs make sense only together."""
    config.include_logprobs = True
    if "generation_config.top_logprobs" in fields and not config.HasField("top_logprobs"):
        config.top_logprobs = 0


def _draw_conversation(draw: st.DrawFn, request: v1.CompletionRequest, fields: Collection[str]) -> None:
    """Turns of user and assistant in alternation, because some vendors demand that."""
    names = draw(st.lists(NAMES, max_size=3, unique=True)) if "tools" in fields else []
    if draw(st.booleans()):
        request.messages.add(role=v1.ROLE_SYSTEM).parts.add(text=draw(WORDS))
    for _ in range(draw(st.integers(0, 2))):
        request.messages.append(_user(draw, fields))
        if bool(names) and draw(st.booleans()):
            request.messages.extend(_tool_turn(draw, request, names))
        request.messages.append(_assistant(draw, fields))
    request.messages.append(_user(draw, fields))
    for name in names:
        function = v1.FunctionTool(name=name, description=draw(WORDS), parameters_json_schema=draw(SCHEMAS))
        if draw(st.booleans()):
            function.strict = True
        request.tools.add(function=function)
    if bool(names) and "tool_choice.mode" in fields and draw(st.booleans()):
        request.tool_choice.mode = draw(st.sampled_from(_MODES))
        if "tool_choice.parallel" in fields and draw(st.booleans()):
            request.tool_choice.parallel = draw(st.booleans())


def _user(draw: st.DrawFn, fields: Collection[str]) -> v1.Message:
    message = v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text=draw(WORDS))])
    for path, parts in _MEDIA.items():
        if path in fields and draw(st.booleans()):
            message.parts.append(draw(parts))
    if "messages.author" in fields and draw(st.booleans()):
        message.author = draw(NAMES)
    return message


def _assistant(draw: st.DrawFn, fields: Collection[str]) -> v1.Message:
    message = v1.Message(role=v1.ROLE_ASSISTANT)
    if "messages.reasoning" in fields and draw(st.booleans()):
        message.parts.add(reasoning=v1.Reasoning(text=draw(WORDS)))
    if "messages.refusal" in fields and draw(st.booleans()):
        message.parts.add(refusal=draw(WORDS))
    else:
        message.parts.add(text=draw(WORDS))
    return message


def _tool_turn(draw: st.DrawFn, request: v1.CompletionRequest, names: Sequence[str]) -> list[v1.Message]:
    """Calls, and the result of each. Ids count up, because a dialect without ids can only number calls."""
    made = sum(part.HasField("tool_call") for message in request.messages for part in message.parts)
    called = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3))
    calls = [
        v1.ToolCall(id=f"call{number:05}", name=name, arguments_json=draw(OBJECTS))
        for number, name in enumerate(called, made + 1)
    ]
    results = [v1.ToolResult(tool_call_id=call.id, name=call.name, text=draw(WORDS)) for call in calls]
    return [
        v1.Message(role=v1.ROLE_ASSISTANT, parts=[v1.Part(tool_call=call) for call in calls]),
        *(v1.Message(role=v1.ROLE_TOOL, parts=[v1.Part(tool_result=result)]) for result in results),
    ]


def normal(request: v1.CompletionRequest) -> v1.CompletionRequest:
    """An equal request in which each tool result has a message of its own and names its function."""
    names = {part.tool_call.id: part.tool_call.name for message in request.messages for part in message.parts}
    equal = v1.CompletionRequest()
    equal.CopyFrom(request)
    del equal.messages[:]
    for message in request.messages:
        if message.role != v1.ROLE_TOOL:
            equal.messages.append(message)
            continue
        for part in message.parts:
            result = v1.ToolResult()
            result.CopyFrom(part.tool_result)
            result.name = result.name or names.get(result.tool_call_id, "")
            equal.messages.add(role=v1.ROLE_TOOL).parts.add(tool_result=result)
    return equal
