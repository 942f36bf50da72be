"""Yandex's dialect against itself, with requests beyond those of the laws of dialects."""

from __future__ import annotations

import json

import orjson
from dragoman import v1
from dragoman.dialect.yandex import v1 as y
from dragoman_service.dialects.message_json import decode_message as decode
from dragoman_service.dialects.yandex.client.request import encode_request
from dragoman_service.dialects.yandex.client.response import AnswerDecoder
from dragoman_service.dialects.yandex.json import json_tree
from dragoman_service.dialects.yandex.server.request import decode_request
from dragoman_service.dialects.yandex.server.response import MessageEncoder
from dragoman_service.engine.fold import Fold
from hypothesis import given
from hypothesis import strategies as st

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)
NAMES = st.from_regex(r"[a-zA-Z0-9_-]{1,12}", fullmatch=True)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(TEXTS, JSON, max_size=3)
ROLES = st.sampled_from([v1.ROLE_SYSTEM, v1.ROLE_USER, v1.ROLE_ASSISTANT])


@st.composite
def configs(draw: st.DrawFn) -> v1.GenerationConfig:
    config = v1.GenerationConfig()
    if draw(st.booleans()):
        config.temperature = draw(st.floats(0, 2))
    if draw(st.booleans()):
        config.max_output_tokens = draw(st.integers(1, 1_000_000))
    if draw(st.booleans()):
        config.reasoning.effort = draw(st.sampled_from([v1.REASONING_EFFORT_NONE, v1.REASONING_EFFORT_MEDIUM]))
    match draw(st.sampled_from(["", "object", "schema"])):
        case "object":
            config.response_format.json_object.SetInParent()
        case "schema":
            config.response_format.json_schema.schema_json = canonical(draw(OBJECTS))
    return config


def canonical(value: object) -> str:
    """JSON text as the dialect writes it: sorted keys, integers without a decimal point."""
    return json.dumps(whole(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def whole(value: object) -> object:
    match value:
        case float() if value.is_integer() and abs(value) <= 2**53:
            return int(value)
        case dict():
            return {key: whole(inner) for key, inner in value.items()}
        case list():
            return [whole(inner) for inner in value]
    return value


@st.composite
def conversations(draw: st.DrawFn, names: list[str]) -> list[v1.Message]:
    """Texts, and tool calls with all their results."""
    messages, count = [], 0
    for _ in range(draw(st.integers(1, 4))):
        if not names or draw(st.booleans()):
            messages.append(v1.Message(role=draw(ROLES), parts=[v1.Part(text=draw(TEXTS))]))
            continue
        calls = []
        for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=3)):
            count += 1
            calls.append(v1.ToolCall(id=f"call{count:05}", name=name, arguments_json=canonical(draw(OBJECTS))))
        results = [v1.ToolResult(tool_call_id=call.id, name=call.name, text=draw(TEXTS)) for call in calls]
        messages.append(v1.Message(role=v1.ROLE_ASSISTANT, parts=[v1.Part(tool_call=call) for call in calls]))
        messages.append(v1.Message(role=v1.ROLE_TOOL, parts=[v1.Part(tool_result=result) for result in results]))
    return messages


@st.composite
def requests(draw: st.DrawFn) -> v1.CompletionRequest:
    names = draw(st.lists(NAMES, max_size=3, unique=True))
    config = draw(configs())
    request = v1.CompletionRequest(
        model="gpt://f/m/latest",
        messages=draw(conversations(names)),
        generation_config=config if config.ListFields() else None,
    )
    for name in names:
        function = request.tools.add().function
        function.name, function.description = name, draw(TEXTS)
        function.parameters_json_schema = canonical(draw(OBJECTS))
        if draw(st.booleans()):
            function.strict = True
    if names and draw(st.booleans()):
        request.tool_choice.mode = draw(st.sampled_from(v1.ToolChoice.Mode.values()[1:]))
    if names and draw(st.booleans()):
        request.tool_choice.mode = v1.ToolChoice.MODE_REQUIRED
        if len(names) == 1:
            request.tool_choice.allowed_functions.append(names[0])
    if request.HasField("tool_choice") and draw(st.booleans()):
        request.tool_choice.parallel = draw(st.booleans())
    return request


@given(requests())
def test_a_request_comes_back_as_it_went_out(request_: v1.CompletionRequest) -> None:
    theirs = encode_request(request_, request_.model, stream=True)

    assert decode_request(y.CompletionRequest.FromString(theirs.SerializeToString())) == request_


@given(requests())
def test_a_request_survives_its_json(request_: v1.CompletionRequest) -> None:
    theirs = encode_request(request_, request_.model, stream=False)

    assert decode_request(decode(orjson.dumps(json_tree(theirs)), y.CompletionRequest())) == request_


@given(
    st.lists(TEXTS, max_size=5),
    st.sampled_from([v1.FINISH_REASON_STOP, v1.FINISH_REASON_MAX_OUTPUT_TOKENS, v1.FINISH_REASON_CONTENT_FILTER]),
    st.integers(1, 2**40),
    st.integers(0, 2**40),
)
def test_an_answer_comes_back_as_it_went_out(
    texts: list[str], reason: v1.FinishReason.ValueType, prompt: int, output: int
) -> None:
    usage = v1.Usage(input_tokens=prompt, output_tokens=output, total_tokens=prompt + output)
    end = v1.ChoiceFinished(finish_reason=reason)
    events = [v1.CompletionEvent(delta=v1.Delta(text=text)) for text in texts]
    events += [v1.CompletionEvent(usage=usage), v1.CompletionEvent(choice_finished=end)]
    sent, came = Fold(v1.Completion()), Fold(v1.Completion())
    encoder, decoder = MessageEncoder(), AnswerDecoder()
    for event in events:
        sent.add(event)
    whole_answer = sent.completion()
    for event in [*events, v1.CompletionEvent(finished=v1.Finished(completion=whole_answer))]:
        for piece in encoder.feed(event):
            for decoded in decoder.feed(piece):
                came.add(decoded)
    for piece in encoder.end():
        for decoded in decoder.feed(piece):
            came.add(decoded)
    for decoded in decoder.end():
        came.add(decoded)
    answer = came.completion()

    assert answer.choices[0].message == whole_answer.choices[0].message
    assert answer.choices[0].finish_reason == reason
    assert answer.usage == whole_answer.usage
