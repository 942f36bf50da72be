"""OpenAI's dialect against itself, with everything that it carries beyond the laws of dialects."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from dragoman import v1
from dragoman_service.dialects.openai.client.answer.choices import Expected
from dragoman_service.dialects.openai.client.quirks import CHAT_NAMES, JSON_FORMATS, PROMPT_NAMES, Quirks, names
from dragoman_service.dialects.openai.client.request import encode_chat, encode_prompt
from dragoman_service.dialects.openai.client.response import AnswerDecoder
from dragoman_service.dialects.openai.server.request import decode_chat_request, decode_text_request
from dragoman_service.dialects.openai.server.response import encode_chat_completion, encode_text_completion
from dragoman_service.dialects.openai.server.stream import ChatEventEncoder, TextEventEncoder
from dragoman_service.dialects.sse import SseDecoder
from dragoman_service.engine.fold import Fold
from hypothesis import given
from hypothesis import strategies as st

MORE = {"top_k": "top_k", "min_p": "min_p", "repetition_penalty": "repetition_penalty"}
EVERYTHING = Quirks(
    names=names(CHAT_NAMES, **MORE),
    prompt_names=names(PROMPT_NAMES, **MORE),
    formats=JSON_FORMATS | {"grammar"},
    parts=frozenset({"reasoning", "refusal"}),
    developer_role="developer",
    data_role="data",
    allowed_tools=True,
    tool_names=True,
)
TOP = 3
WORDS = st.text(min_size=1, max_size=12)
ARGUMENTS = WORDS.filter(str.strip)  # none become an empty object
NAMES = st.from_regex(r"[a-zA-Z0-9_-]{1,8}", fullmatch=True)
SCHEMAS = st.dictionaries(WORDS, st.one_of(WORDS, st.integers(-9, 9), st.lists(WORDS, max_size=2)), max_size=3).map(
    lambda schema: json.dumps({"type": "object", **schema}, ensure_ascii=False, separators=(",", ":"))
)
FLOATS = st.floats(0, 1, allow_nan=False)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), strategy)


@st.composite
def configs(draw: st.DrawFn, *, chat: bool = True) -> v1.GenerationConfig:
    sampling = {
        "max_output_tokens": st.integers(1, 1000),
        "temperature": FLOATS,
        "top_p": FLOATS,
        "top_k": st.integers(1, 9),
        "min_p": FLOATS,
        "stop_sequences": st.lists(WORDS, max_size=3),
        "seed": st.integers(0, 2**31 - 1),
        "choice_count": st.integers(2, 8),
        "presence_penalty": FLOATS,
        "frequency_penalty": FLOATS,
        "repetition_penalty": FLOATS,
    }
    values = {name: draw(maybe(strategy)) for name, strategy in sampling.items()}
    config = v1.GenerationConfig(**{name: value for name, value in values.items() if value is not None})
    if draw(st.booleans()):
        config.include_logprobs, config.top_logprobs = True, draw(st.integers(0, 5))
    if chat and draw(st.booleans()):
        config.reasoning.effort = draw(
            st.sampled_from(v1.ReasoningEffort.values()[1:-1])
        )  # the last is sent as the one before
    if chat:
        _draw_format(draw, config)
    elif not config.HasField("max_output_tokens"):
        config.max_output_tokens = 16
    return config


def _draw_format(draw: st.DrawFn, config: v1.GenerationConfig) -> None:
    match draw(st.sampled_from(["", "json_object", "json_schema", "grammar"])):
        case "json_object":
            config.response_format.json_object.SetInParent()
        case "json_schema":
            config.response_format.json_schema.schema_json = draw(SCHEMAS)
        case "grammar":
            config.response_format.grammar = draw(WORDS)


@st.composite
def turns(draw: st.DrawFn) -> list[v1.Message]:
    """A message; if it calls tools, their results too."""
    roles = [v1.ROLE_SYSTEM, v1.ROLE_DEVELOPER, v1.ROLE_USER, v1.ROLE_ASSISTANT, v1.ROLE_DATA]
    message = v1.Message(role=draw(st.sampled_from(roles)), author=draw(maybe(NAMES)) or "")
    if message.role != v1.ROLE_ASSISTANT:
        message.parts.add(text=draw(WORDS))
        return [message]
    if draw(st.booleans()):
        message.parts.add(reasoning=v1.Reasoning(text=draw(WORDS)))
    if draw(st.booleans()):
        message.parts.add(text=draw(WORDS))
    if draw(st.booleans()):
        message.parts.add(refusal=draw(WORDS))
    calls = [
        v1.ToolCall(id=call_id, name=draw(NAMES), arguments_json=draw(WORDS))
        for call_id in draw(st.lists(NAMES, max_size=2, unique=True))
    ]
    message.parts.extend(v1.Part(tool_call=call) for call in calls)
    if not message.parts:
        message.parts.add(text="")
    results = [v1.ToolResult(tool_call_id=call.id, name=call.name, text=draw(st.text(max_size=5))) for call in calls]
    return [message, *(v1.Message(role=v1.ROLE_TOOL, parts=[v1.Part(tool_result=result)]) for result in results)]


@st.composite
def chats(draw: st.DrawFn) -> v1.CompletionRequest:
    request = v1.CompletionRequest(model=draw(WORDS), end_user=draw(maybe(WORDS)) or "")
    config = draw(configs())
    if config.ListFields():
        request.generation_config.CopyFrom(config)
    for turn in draw(st.lists(turns(), min_size=1, max_size=3)):
        request.messages.extend(turn)
    tools = draw(st.lists(NAMES, max_size=3, unique=True))
    for name in tools:
        function = v1.FunctionTool(
            name=name, description=draw(st.text(max_size=9)), parameters_json_schema=draw(SCHEMAS)
        )
        if draw(st.booleans()):
            function.strict = draw(st.booleans())
        request.tools.add(function=function)
    if tools and draw(st.booleans()):
        _draw_choice(draw, request, tools)
    return request


def _draw_choice(draw: st.DrawFn, request: v1.CompletionRequest, tools: Sequence[str]) -> None:
    choice = request.tool_choice
    choice.mode = draw(st.sampled_from(v1.ToolChoice.Mode.values()[1:]))
    if choice.mode != v1.ToolChoice.MODE_NONE:
        choice.allowed_functions.extend(draw(st.lists(st.sampled_from(tools), max_size=2, unique=True)))
    if draw(st.booleans()):
        choice.parallel = draw(st.booleans())


@given(chats())
def test_a_conversation_comes_back_as_it_was(request: v1.CompletionRequest) -> None:
    body = json.dumps(encode_chat(request, EVERYTHING)).encode()
    decoded = decode_chat_request(body)

    assert decoded.request == request
    assert (decoded.stream, decoded.include_usage) == (True, True)


@given(WORDS, configs(chat=False), maybe(WORDS))
def test_a_prompt_comes_back_as_it_was(prompt: str, config: v1.GenerationConfig, user: str | None) -> None:
    request = v1.CompletionRequest(model="m", prompt=prompt, generation_config=config, end_user=user or "")
    body = json.dumps(encode_prompt(request, EVERYTHING)).encode()

    assert decode_text_request(body).request == request


TOKENS = st.builds(
    lambda token, logprob, tops: v1.TokenLogprob(
        token=token, logprob=logprob, bytes=token.encode(), top_logprobs=_ranked(tops)
    ),
    WORDS,
    st.floats(-50, -1e-9),
    st.dictionaries(WORDS, st.floats(-50, -1e-9), max_size=TOP),
)


def _ranked(tops: dict[str, float]) -> list[v1.TopLogprob]:
    ranked = sorted(tops.items(), key=lambda entry: -entry[1])
    return [v1.TopLogprob(token=token, logprob=logprob, bytes=token.encode()) for token, logprob in ranked]


@st.composite
def answers(draw: st.DrawFn, *, chat: bool = True) -> list[v1.CompletionEvent]:
    """Everything that a stream of some choices can hold, each choice with its kinds of content in order."""
    count = draw(st.integers(1, 3))
    events = [v1.CompletionEvent(started=v1.Started(completion="completions/1", served_model="m", provider="p"))]
    for index in range(count):
        events += draw(_choice(index, chat))
    prompt, output = draw(st.integers(1, 99)), draw(st.integers(50, 99))
    usage = v1.Usage(input_tokens=prompt, output_tokens=output, total_tokens=prompt + output)
    usage.cached_input_tokens, usage.reasoning_tokens = draw(st.integers(0, 9)), draw(st.integers(0, 9))
    return [*events, v1.CompletionEvent(usage=usage)]


def _is_fragment(words: str) -> bool:
    """Not the start of an object, because servers that repeat a complete call are told by it."""
    return not words.strip().startswith("{")


@st.composite
def _choice(draw: st.DrawFn, index: int, chat: bool) -> list[v1.CompletionEvent]:
    deltas: list[v1.Delta] = []
    if chat:
        deltas += [v1.Delta(reasoning=words) for words in draw(st.lists(WORDS, max_size=2))]
    deltas += [v1.Delta(text=words, logprobs=draw(st.lists(TOKENS, max_size=2))) for words in draw(st.lists(WORDS))]
    refusals = draw(st.lists(WORDS, max_size=1)) if chat else []
    deltas += [v1.Delta(refusal=words) for words in refusals]
    calls = draw(st.integers(0, 2)) if chat and not refusals else 0
    for call in range(calls):
        named = v1.ToolCallDelta(index=call, id=f"call-{call}", name=draw(NAMES), arguments_json=draw(ARGUMENTS))
        deltas.append(v1.Delta(tool_call=named))
        deltas += [
            v1.Delta(tool_call=v1.ToolCallDelta(index=call, arguments_json=words))
            for words in draw(st.lists(WORDS.filter(_is_fragment), max_size=2))
        ]
    reasons = [v1.FINISH_REASON_MAX_OUTPUT_TOKENS, v1.FINISH_REASON_CONTENT_FILTER]
    reasons.append(
        v1.FINISH_REASON_TOOL_CALLS if calls else v1.FINISH_REASON_REFUSAL if refusals else v1.FINISH_REASON_STOP
    )
    end = v1.ChoiceFinished(choice_index=index, finish_reason=draw(st.sampled_from(reasons)), system_fingerprint="fp")
    if end.finish_reason == v1.FINISH_REASON_STOP and draw(st.booleans()):
        end.finish_reason, end.matched_stop_sequence = v1.FINISH_REASON_STOP_SEQUENCE, draw(WORDS)
    for delta in deltas:
        delta.choice_index = index
    return [*(v1.CompletionEvent(delta=delta) for delta in deltas), v1.CompletionEvent(choice_finished=end)]


def folded(events: Sequence[v1.CompletionEvent]) -> v1.Completion:
    fold = Fold(v1.Completion(name="completions/1"))
    for event in events:
        fold.add(event)
    return fold.completion()


def streamed(chunks: ChatEventEncoder, events: Sequence[v1.CompletionEvent]) -> bytes:
    finished = v1.CompletionEvent(finished=v1.Finished(completion=folded(events)))
    return b"".join([*(piece for event in [*events, finished] for piece in chunks.feed(event)), *chunks.end()])


def read(pieces: Sequence[bytes], choices: int, *, complete: bool = False) -> v1.Completion:
    decoder = AnswerDecoder(Expected(choices=choices, top_logprobs=TOP))
    events = decoder.decode_complete(b"".join(pieces)) if complete else decoder.decode(pieces)
    return folded([*events, *decoder.end()])


def content(completion: v1.Completion) -> Iterator[Any]:
    """The content of an answer, without the provider's own finish reason, which a hop replaces."""
    for choice in completion.choices:
        yield choice.index, choice.message, choice.finish_reason, list(choice.logprobs)
    yield completion.usage
    yield completion.system_fingerprint


@pytest.mark.parametrize(("chunks", "chat"), [(ChatEventEncoder, True), (TextEventEncoder, False)])
@given(data=st.data())
def test_a_streamed_answer_comes_back_as_it_was(
    chunks: type[ChatEventEncoder], chat: bool, data: st.DataObject
) -> None:
    events = data.draw(answers(chat=chat))
    before = folded(events)
    wire = streamed(chunks(include_usage=True), events)
    after = read(list(SseDecoder().feed(wire)), len(before.choices))

    assert list(content(after)) == list(content(before))


@pytest.mark.parametrize(("encode", "chat"), [(encode_chat_completion, True), (encode_text_completion, False)])
@given(data=st.data())
def test_a_complete_answer_comes_back_as_it_was(encode: Any, chat: bool, data: st.DataObject) -> None:
    before = folded(data.draw(answers(chat=chat)))
    after = read([encode(before)], len(before.choices), complete=True)

    assert list(content(after)) == list(content(before))
