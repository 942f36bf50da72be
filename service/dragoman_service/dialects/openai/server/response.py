"""Our answer in this dialect, whole: a chat completion or a legacy one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from dragoman import v1

from dragoman_service.dialects.openai.server.logprobs import chat_logprobs, legacy_logprobs

Wire = dict[str, Any]

_REASONS = {
    v1.FINISH_REASON_MAX_OUTPUT_TOKENS: "length",
    v1.FINISH_REASON_CONTEXT_LENGTH: "length",
    v1.FINISH_REASON_TOOL_CALLS: "tool_calls",
    v1.FINISH_REASON_CONTENT_FILTER: "content_filter",
}


def chat_said(completion: v1.Completion) -> bytes:
    """A `chat.completion`."""
    choices = [_chat_choice(choice) for choice in completion.choices]
    return orjson.dumps({**_head(completion, "chat.completion", "chatcmpl"), "choices": choices, **_tail(completion)})


def completion_said(completion: v1.Completion) -> bytes:
    """A `text_completion`."""
    choices = [_legacy_choice(choice) for choice in completion.choices]
    return orjson.dumps({**_head(completion, "text_completion", "cmpl"), "choices": choices, **_tail(completion)})


def answer_id(prefix: str, name: str) -> str:
    """The id of an answer, from the name of the completion."""
    return f"{prefix}-{name.rpartition('/')[2]}"


def ending(end: v1.Choice | v1.ChoiceFinished) -> Wire:
    """Why a choice ended. A reason that this dialect has no word for is told in the provider's own.

    `stop_reason`, as vLLM has it, holds the stop sequence that ended the choice.
    """
    reason = _REASONS.get(end.finish_reason, "stop")
    if end.finish_reason == v1.FINISH_REASON_OTHER and end.provider_finish_reason:
        reason = end.provider_finish_reason
    return {"finish_reason": reason} | ({"stop_reason": end.matched_stop_sequence} if end.matched_stop_sequence else {})


def usage(used: v1.Usage) -> Wire:
    """The tokens; `estimated`, a key of ours, is there where the provider gave no figures."""
    return {
        "prompt_tokens": used.input_tokens,
        "completion_tokens": used.output_tokens,
        "total_tokens": used.input_tokens + used.output_tokens,
        "prompt_tokens_details": {"cached_tokens": used.cached_input_tokens},
        "completion_tokens_details": {"reasoning_tokens": used.reasoning_tokens},
    } | ({"estimated": True} if used.estimated else {})


def _head(completion: v1.Completion, kind: str, prefix: str) -> Wire:
    return {
        "id": answer_id(prefix, completion.name),
        "object": kind,
        "created": completion.create_time.seconds,
        "model": completion.served_model,
    }


def _tail(completion: v1.Completion) -> Wire:
    tail: Wire = {"usage": usage(completion.usage), "system_fingerprint": completion.system_fingerprint or None}
    return tail | ({"metadata": dict(completion.labels)} if completion.labels else {})


def _chat_choice(choice: v1.Choice) -> Wire:
    message = _message(choice.message.parts)
    of_refusal = message["content"] is None and message["refusal"] is not None
    return {
        "index": choice.index,
        "message": message,
        "logprobs": chat_logprobs(choice.logprobs, of_refusal=of_refusal),
        **ending(choice),
    }


def _legacy_choice(choice: v1.Choice) -> Wire:
    message = _message(choice.message.parts)
    thoughts = message.get("reasoning_content")
    return {
        "index": choice.index,
        "text": (message["content"] or "") + (message["refusal"] or ""),
        "logprobs": legacy_logprobs(choice.logprobs),
        **({"reasoning_content": thoughts} if thoughts else {}),
        **ending(choice),
    }


def _message(parts: Iterable[v1.Part]) -> Wire:
    texts: dict[str, list[str]] = {"text": [], "refusal": [], "reasoning": []}
    calls = []
    for part in parts:
        match part.WhichOneof("content"):
            case "text":
                texts["text"].append(part.text)
            case "refusal":
                texts["refusal"].append(part.refusal)
            case "reasoning":
                texts["reasoning"].append(part.reasoning.text)
            case "tool_call":
                calls.append(tool_call(part.tool_call))
    refusal = "".join(texts["refusal"]) or None
    message: Wire = {
        "role": "assistant",
        "content": "".join(texts["text"]) or (None if calls or refusal else ""),
        "refusal": refusal,
    }
    if texts["reasoning"]:
        message["reasoning_content"] = "".join(texts["reasoning"])
    return message | ({"tool_calls": calls} if calls else {})


def tool_call(call: v1.ToolCall) -> Wire:
    """A call that the model asks for."""
    function = {"name": call.name, "arguments": call.arguments_json}
    return {"id": call.id, "type": "function", "function": function}
