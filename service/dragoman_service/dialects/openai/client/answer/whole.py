"""Decodes plain whole answers: one choice with a text and a finish reason, usage, and little else."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from dragoman import v1

from dragoman_service.dialects.openai.client.answer.choices import FINISH_REASONS, Expected, cut_reason
from dragoman_service.dialects.openai.client.answer.tokens import fill_usage
from dragoman_service.dialects.openai.client.json import MAX_COUNT

Count = Annotated[int, msgspec.Meta(ge=0, lt=MAX_COUNT)] | None
NoItems = Annotated[list[Any], msgspec.Meta(max_length=0)] | None
Nothing = Literal[""] | NoItems
_REASONS = {word: meaning for word, meaning in FINISH_REASONS.items() if meaning != v1.FINISH_REASON_TOOL_CALLS}


class PromptDetails(msgspec.Struct, gc=False):
    """What the tokens of the prompt were."""

    cached_tokens: Count = None
    cache_write_tokens: Count = None


class OutputDetails(msgspec.Struct, gc=False):
    """What the tokens of the answer were."""

    reasoning_tokens: Count = None


class PlainUsage(msgspec.Struct, gc=False):
    """Usage without a price."""

    prompt_tokens: Count = None
    completion_tokens: Count = None
    total_tokens: Count = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    prompt_cache_hit_tokens: Count = None
    cached_tokens: Count = None
    reasoning_tokens: Count = None
    cost: None = None
    cost_in_usd_ticks: None = None


class PlainMessage(msgspec.Struct, gc=False):
    """A message that is a text, perhaps after reasoning."""

    content: str
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: NoItems = None
    refusal: Nothing = None
    tool_calls: Nothing = None
    function_call: None = None


class PlainChoice(msgspec.Struct, gc=False):
    """The choice of a `PlainAnswer`."""

    message: PlainMessage
    finish_reason: str
    index: Literal[0] = 0
    delta: None = None
    text: Nothing = None
    reasoning_content: Nothing = None
    logprobs: None = None
    stop_reason: None = None
    error: None = None
    usage: None = None
    content_filter_results: None = None


class GroqExtras(msgspec.Struct, gc=False):
    """Groq's own object, which has an id."""

    usage: None = None
    error: None = None


class PlainAnswer(msgspec.Struct, gc=False):
    """Like a `TextChunk`, it has every key that `AnswerDecoder` reads, so that no other could change its events."""

    choices: tuple[PlainChoice]
    object: Literal["chat.completion", "text_completion", ""] = ""
    system_fingerprint: str | None = None
    usage: PlainUsage | None = None
    error: None = None
    base_resp: None = None
    x_groq: GroqExtras | None = None
    prompt_filter_results: None = None
    prompt_progress: None = None


_NO_PROMPT, _NO_OUTPUT = PromptDetails(), OutputDetails()
_ANSWERS = msgspec.json.Decoder(PlainAnswer)


def plain_answer(body: bytes, expected: Expected) -> list[v1.CompletionEvent] | None:
    """The events of the answer, as `AnswerDecoder` would make them. None: it is not plain, and may be damaged."""
    if expected.choices != 1:
        return None
    try:
        if not body.isascii():
            body.decode()  # where a key is not read, msgspec accepts any bytes
        answer = _ANSWERS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    (choice,) = answer.choices
    message, meaning = choice.message, _REASONS.get(choice.finish_reason)
    reasoning = message.reasoning_content or message.reasoning
    if meaning is None or not message.content or (reasoning and expected.prefix):
        return None
    said, used, ended = v1.CompletionEvent(), v1.CompletionEvent(), v1.CompletionEvent()
    delta, usage, finished = said.delta, used.usage, ended.choice_finished
    delta.choice_index = finished.choice_index = expected.first_index
    delta.text = expected.prefix + message.content
    if answer.usage is not None:
        _fill(usage, answer.usage)
    finished.finish_reason = cut_reason(meaning, usage.output_tokens, expected.max_tokens)
    finished.provider_finish_reason = choice.finish_reason
    if answer.system_fingerprint:
        finished.system_fingerprint = answer.system_fingerprint[:128]
    events = [said, used, ended] if usage.ByteSize() else [said, ended]
    if reasoning:
        thought = v1.CompletionEvent()
        thought.delta.choice_index, thought.delta.reasoning = expected.first_index, reasoning
        events.insert(0, thought)
    return events


def _fill(usage: v1.Usage, reported: PlainUsage) -> None:
    of_prompt, of_output = (
        reported.prompt_tokens_details or _NO_PROMPT,
        reported.completion_tokens_details or _NO_OUTPUT,
    )
    fill_usage(
        usage,
        reported.prompt_tokens or 0,
        reported.completion_tokens or 0,
        reported.total_tokens or 0,
        cached=of_prompt.cached_tokens or reported.prompt_cache_hit_tokens or reported.cached_tokens or 0,
        written=of_prompt.cache_write_tokens or 0,
        reasoning=of_output.reasoning_tokens or reported.reasoning_tokens or 0,
    )
