"""What a wire may carry: a request or an answer for each field, and what of it has to arrive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from dragoman import v1
from google.protobuf.duration_pb2 import Duration

SCHEMA = '{"properties":{"a":{"type":"string"}},"type":"object"}'
PNG = v1.Part(blob=v1.Blob(media_type="image/png", data=b"\x89PNG"))
PDF = v1.Part(blob=v1.Blob(media_type="application/pdf", data=b"%PDF", name="a.pdf"))
PICTURE = v1.Part(file=v1.File(uri="https://files.example/a.png", media_type="image/png"))
UPLOADED = v1.Part(file=v1.File(id="file-1"))
TOOLS = [
    v1.Tool(function=v1.FunctionTool(name=name, description=name.title(), parameters_json_schema=SCHEMA))
    for name in ("look", "move")
]
Seen = Callable[[Any], Any]


class Asked(NamedTuple):
    """A request with one field, and what has to arrive of it."""

    field: str
    request: v1.CompletionRequest
    seen: Seen


class Answered(NamedTuple):
    """Events of an answer with one field, and what has to arrive of it in a Completion."""

    field: str
    events: Sequence[v1.CompletionEvent]
    seen: Seen


def said(role: v1.Role.ValueType, *parts: v1.Part, **more: Any) -> v1.Message:
    return v1.Message(role=role, parts=parts, **more)


def asking(*messages: v1.Message, **more: Any) -> v1.CompletionRequest:
    return v1.CompletionRequest(messages=messages or [said(v1.ROLE_USER, v1.Part(text="Hi"))], **more)


def calling(*results: v1.Part, parts: Sequence[v1.Part] = ()) -> v1.CompletionRequest:
    """A conversation in which the model called a tool, which returned `results`. `parts` come before the call."""
    call = v1.Part(tool_call=v1.ToolCall(id="call00001", name="look", arguments_json='{"a":"b"}'))
    turns = [
        said(v1.ROLE_USER, v1.Part(text="Look")),
        said(v1.ROLE_ASSISTANT, *parts, call),
        said(v1.ROLE_TOOL, *results),
    ]
    return asking(*turns, tools=TOOLS)


def returned(**more: Any) -> v1.Part:
    return v1.Part(tool_result=v1.ToolResult(tool_call_id="call00001", name="look", text="a wall", **more))


def parts_of(role: v1.Role.ValueType, kind: str) -> Seen:
    """The parts of this kind in all messages of a role."""

    def seen(request: v1.CompletionRequest) -> list[v1.Part]:
        parts = (part for message in request.messages if message.role == role for part in message.parts)
        return [part for part in parts if part.WhichOneof("content") == kind]

    return seen


def blobs(request: v1.CompletionRequest) -> list[tuple[str, bytes]]:
    """The types and bytes of what users sent; no vendor needs the names."""
    return [(part.blob.media_type, part.blob.data) for part in parts_of(v1.ROLE_USER, "blob")(request)]


def results(request: v1.CompletionRequest) -> list[tuple[str, str, bool]]:
    """What tools returned. The name of the function stands in the call too."""
    found = (part.tool_result for part in parts_of(v1.ROLE_TOOL, "tool_result")(request))
    return [(result.tool_call_id, result.text, result.is_error) for result in found]


def configured(name: str, value: Any) -> Asked:
    """A field of the generation config."""

    def seen(request: v1.CompletionRequest) -> Any:
        found = getattr(request.generation_config, name)
        return list(found) if name == "stop_sequences" else found

    config = v1.GenerationConfig(**{name: value})
    if name == "top_logprobs":
        config.include_logprobs = True
    return Asked(f"generation_config.{name}", asking(generation_config=config), seen)


def formatted(name: str, value: Any) -> Asked:
    config = v1.GenerationConfig(response_format=v1.ResponseFormat(**{name: value}))
    field = f"generation_config.response_format.{name}"
    return Asked(field, asking(generation_config=config), lambda request: request.generation_config.response_format)


def thinking(name: str, value: Any, **more: Any) -> Asked:
    config = v1.GenerationConfig(reasoning=v1.ReasoningConfig(**{name: value}, **more))
    field = f"generation_config.reasoning.{name}"
    return Asked(
        field, asking(generation_config=config), lambda request: getattr(request.generation_config.reasoning, name)
    )


def chosen(**choice: Any) -> v1.CompletionRequest:
    return asking(tools=TOOLS, tool_choice=v1.ToolChoice(**choice))


def _hint(request: v1.CompletionRequest) -> list[bool]:
    return [part.HasField("cache_hint") for message in request.messages for part in message.parts]


HINT = v1.CacheHint(ttl=Duration(seconds=300))
_USER, _ASSISTANT, _TOOL = v1.ROLE_USER, v1.ROLE_ASSISTANT, v1.ROLE_TOOL
MESSAGES = [
    Asked("prompt", v1.CompletionRequest(prompt="Once"), lambda request: request.prompt),
    Asked(
        "ROLE_SYSTEM",
        asking(said(v1.ROLE_SYSTEM, v1.Part(text="Be brief")), said(_USER, v1.Part(text="Hi"))),
        parts_of(v1.ROLE_SYSTEM, "text"),
    ),
    Asked(
        "ROLE_DEVELOPER",
        asking(said(v1.ROLE_DEVELOPER, v1.Part(text="Be brief")), said(_USER, v1.Part(text="Hi"))),
        parts_of(v1.ROLE_DEVELOPER, "text"),
    ),
    Asked("ROLE_DATA", asking(said(v1.ROLE_DATA, v1.Part(text="A page"))), parts_of(v1.ROLE_DATA, "text")),
    Asked(
        "messages.author",
        asking(said(_USER, v1.Part(text="Hi"), author="ann")),
        lambda request: [message.author for message in request.messages],
    ),
    Asked("blob, an image", asking(said(_USER, v1.Part(text="See"), PNG)), blobs),
    Asked("blob, a document", asking(said(_USER, v1.Part(text="See"), PDF)), blobs),
    Asked("file.uri", asking(said(_USER, v1.Part(text="See"), PICTURE)), parts_of(_USER, "file")),
    Asked("file.id", asking(said(_USER, v1.Part(text="See"), UPLOADED)), parts_of(_USER, "file")),
    Asked("tool_call", calling(returned()), parts_of(_ASSISTANT, "tool_call")),
    Asked("tool_result", calling(returned()), results),
    Asked("tool_result.is_error", calling(returned(is_error=True)), results),
    Asked("blob after a tool_result", calling(returned(), PNG), parts_of(_TOOL, "blob")),
    Asked(
        "reasoning of earlier answers",
        calling(returned(), parts=[v1.Part(reasoning=v1.Reasoning(text="Hm"))]),
        parts_of(_ASSISTANT, "reasoning"),
    ),
    Asked(
        "refusal of earlier answers",
        asking(
            said(_USER, v1.Part(text="Hi")), said(_ASSISTANT, v1.Part(refusal="No")), said(_USER, v1.Part(text="?"))
        ),
        parts_of(_ASSISTANT, "refusal"),
    ),
    Asked("cache_hint", asking(said(_USER, v1.Part(text="Long", cache_hint=HINT), v1.Part(text="Short"))), _hint),
]
SETTINGS = [
    Asked("tools", asking(tools=TOOLS), lambda request: list(request.tools)),
    Asked(
        "tools.function.strict",
        asking(tools=[v1.Tool(function=v1.FunctionTool(name="look", parameters_json_schema=SCHEMA, strict=True))]),
        lambda request: [tool.function.strict for tool in request.tools],
    ),
    Asked("tool_choice.mode", chosen(mode=v1.ToolChoice.MODE_REQUIRED), lambda request: request.tool_choice.mode),
    Asked(
        "tool_choice.allowed_functions",
        chosen(mode=v1.ToolChoice.MODE_REQUIRED, allowed_functions=["look"]),
        lambda request: list(request.tool_choice.allowed_functions) or [tool.function.name for tool in request.tools],
    ),
    Asked("tool_choice.parallel", chosen(parallel=False), lambda request: request.tool_choice.HasField("parallel")),
    configured("max_output_tokens", 9),
    configured("temperature", 0.5),
    configured("top_p", 0.5),
    configured("top_k", 5),
    configured("min_p", 0.25),
    configured("stop_sequences", ["stop"]),
    configured("seed", 7),
    configured("choice_count", 2),
    configured("presence_penalty", 0.5),
    configured("frequency_penalty", 0.5),
    configured("repetition_penalty", 1.5),
    configured("include_logprobs", True),
    configured("top_logprobs", 2),
    thinking("effort", v1.REASONING_EFFORT_MEDIUM),
    thinking("budget_tokens", 2048),
    thinking("visibility", v1.REASONING_VISIBILITY_VISIBLE),
    formatted("json_object", v1.JsonObject()),
    formatted("json_schema", v1.JsonSchema(schema_json=SCHEMA)),
    formatted("grammar", "root ::= [a-z]"),
    Asked(
        "safety_settings",
        asking(safety_settings=[v1.SafetySetting(category="harassment", block_at=v1.SAFETY_THRESHOLD_HIGH)]),
        lambda request: list(request.safety_settings),
    ),
    Asked("end_user", asking(end_user="u-1"), lambda request: request.end_user),
]


def _choice(completion: v1.Completion) -> v1.Choice:
    return completion.choices[0]


def _delta(**content: Any) -> v1.CompletionEvent:
    return v1.CompletionEvent(delta=v1.Delta(**content))


def _end(reason: v1.FinishReason.ValueType = v1.FINISH_REASON_STOP, **more: Any) -> v1.CompletionEvent:
    return v1.CompletionEvent(choice_finished=v1.ChoiceFinished(finish_reason=reason, **more))


def _used(**counts: int) -> v1.CompletionEvent:
    given = {"input_tokens": 90, "output_tokens": 30, "total_tokens": 120, **counts}
    return v1.CompletionEvent(usage=v1.Usage(**given))


def _kinds(kind: str) -> Seen:
    return lambda answer: [part for part in _choice(answer).message.parts if part.WhichOneof("content") == kind]


def ended(reason: v1.FinishReason.ValueType, name: str) -> Answered:
    events = [_delta(text="Yes"), _end(reason), _used()]
    return Answered(f"finish_reason {name}", events, lambda answer: _choice(answer).finish_reason)


def counted(name: str, count: int) -> Answered:
    events = [_delta(text="Yes"), _end(), _used(**{name: count})]
    return Answered(f"usage.{name}", events, lambda answer: getattr(answer.usage, name))


_CALL = v1.ToolCallDelta(index=0, id="call-7", name="look", arguments_json='{"a":"b"}')
_LOGPROB = v1.TokenLogprob(token="Yes", logprob=-0.5, bytes=b"Yes")
_RATING = v1.SafetyRating(category="harassment", level=v1.SAFETY_LEVEL_LOW)
ANSWERS = [
    Answered("text", [_delta(text="Yes"), _end(), _used()], _kinds("text")),
    Answered(
        "reasoning",
        [_delta(reasoning="Hm"), _delta(text="Yes"), _end(), _used()],
        lambda answer: [part.reasoning.text for part in _kinds("reasoning")(answer)],
    ),
    Answered("refusal", [_delta(refusal="No"), _end(v1.FINISH_REASON_REFUSAL), _used()], _kinds("refusal")),
    Answered(
        "tool_call",
        [_delta(tool_call=_CALL), _end(v1.FINISH_REASON_TOOL_CALLS), _used()],
        lambda answer: [(part.tool_call.name, part.tool_call.arguments_json) for part in _kinds("tool_call")(answer)],
    ),
    Answered(
        "tool_call.id",
        [_delta(tool_call=_CALL), _end(v1.FINISH_REASON_TOOL_CALLS), _used()],
        lambda answer: [part.tool_call.id for part in _kinds("tool_call")(answer)],
    ),
    Answered(
        "logprobs",
        [_delta(text="Yes", logprobs=[_LOGPROB]), _end(), _used()],
        lambda answer: [one.token for one in _choice(answer).logprobs],
    ),
    *(
        ended(v1.FinishReason.Value(f"FINISH_REASON_{name}"), name)
        for name in ("MAX_OUTPUT_TOKENS", "CONTEXT_LENGTH", "CONTENT_FILTER", "RECITATION")
    ),
    Answered(
        "matched_stop_sequence",
        [_delta(text="Yes"), _end(v1.FINISH_REASON_STOP_SEQUENCE, matched_stop_sequence="stop"), _used()],
        lambda answer: _choice(answer).matched_stop_sequence,
    ),
    Answered(
        "safety",
        [
            _delta(text="Yes"),
            v1.CompletionEvent(
                safety=v1.SafetyReport(choice_index=0, assessment=v1.SafetyAssessment(ratings=[_RATING]))
            ),
            _end(),
            _used(),
        ],
        lambda answer: [(rating.category, rating.level) for rating in _choice(answer).safety.ratings],
    ),
    Answered(
        "citations",
        [
            _delta(text="Yes it is"),
            v1.CompletionEvent(
                citations=v1.CitationReport(citations=[v1.Citation(end_index=3, uri="https://a.example")])
            ),
            _end(),
            _used(),
        ],
        lambda answer: [(one.start_index, one.end_index, one.uri) for one in _choice(answer).citations],
    ),
    counted("input_tokens", 90),
    counted("cached_input_tokens", 10),
    counted("cache_write_tokens", 20),
    counted("reasoning_tokens", 5),
    counted("cost_nano_usd", 7000),
]
