"""Encodes a complete answer: a chat completion or a legacy text completion."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import orjson
from dragoman import v1

from dragoman_service.dialects.openai.filter_results import CHOICE, PROMPT, encode_prompt_results, encode_results
from dragoman_service.dialects.openai.server.logprobs import chat_logprobs, legacy_logprobs

Wire = dict[str, Any]

FUNCTION_CALL = "function_call"
"""The finish reason of a deprecated call."""
_CALL = frozenset({"index", "id", "type", "function"})
MESSAGE = frozenset({"role", "content", "refusal", "reasoning_content", "tool_calls", "function_call"})
_REASONS = {
    v1.FINISH_REASON_MAX_OUTPUT_TOKENS: "length",
    v1.FINISH_REASON_CONTEXT_LENGTH: "length",
    v1.FINISH_REASON_TOOL_CALLS: "tool_calls",
    v1.FINISH_REASON_CONTENT_FILTER: "content_filter",
    v1.FINISH_REASON_RECITATION: "content_filter",
}


def encode_chat_completion(completion: v1.Completion, *, functions: bool = False) -> bytes:
    """A `chat.completion` as JSON. With `functions` it has the deprecated `function_call` in place of `tool_calls`."""
    choices = [_chat_choice(choice) for choice in completion.choices]
    for choice in choices if functions else ():
        _use_function_call(choice)
    return orjson.dumps({**_head(completion, "chat.completion", "chatcmpl"), "choices": choices, **_tail(completion)})


def encode_text_completion(completion: v1.Completion) -> bytes:
    """A `text_completion` as JSON."""
    choices = [_legacy_choice(choice) for choice in completion.choices]
    return orjson.dumps({**_head(completion, "text_completion", "cmpl"), "choices": choices, **_tail(completion)})


def answer_id(prefix: str, name: str) -> str:
    """The id of an answer, from the name of the completion."""
    return f"{prefix}-{name.rpartition('/')[2]}"


def encode_end(end: v1.Choice | v1.ChoiceFinished) -> Wire:
    """`finish_reason`, and `stop_reason` if a stop sequence ended the choice, as vLLM reports it.

    The provider's own finish reason is passed on where OpenAI has none for it.
    """
    reason = _REASONS.get(end.finish_reason, "stop")
    if end.finish_reason == v1.FINISH_REASON_OTHER and end.provider_finish_reason:
        reason = end.provider_finish_reason
    return {"finish_reason": reason} | ({"stop_reason": end.matched_stop_sequence} if end.matched_stop_sequence else {})


def encode_usage(usage: v1.Usage) -> Wire:
    """The token counts, and keys of ours."""
    encoded: Wire = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
    if usage.cache_write_tokens:  # OpenRouter's key
        encoded["prompt_tokens_details"]["cache_write_tokens"] = usage.cache_write_tokens
    return encoded | own_usage(usage)


def own_usage(usage: v1.Usage) -> Wire:
    """Two keys of ours: `estimated` if the provider gave no figures, and the `cost` in US dollars if it is known."""
    own: Wire = {"estimated": True} if usage.estimated else {}
    if usage.HasField("cost_nano_usd"):
        own["cost"] = usage.cost_nano_usd / 1e9
    return own


def _head(completion: v1.Completion, kind: str, prefix: str) -> Wire:
    return {
        "id": answer_id(prefix, completion.name),
        "object": kind,
        "created": completion.create_time.seconds,
        "model": completion.served_model,
    }


def _tail(completion: v1.Completion) -> Wire:
    usage = encode_usage(completion.usage)
    tail: Wire = {"usage": usage, "system_fingerprint": completion.system_fingerprint or None}
    if completion.prompt_safety.ratings:
        tail[PROMPT] = encode_prompt_results(completion.prompt_safety)
    return tail | ({"metadata": dict(completion.labels)} if completion.labels else {})


def _chat_choice(choice: v1.Choice) -> Wire:
    message = _message(choice.message.parts)
    message |= encode_extensions(choice.message, MESSAGE)
    of_refusal = message["content"] is None and message["refusal"] is not None
    return {
        "index": choice.index,
        "message": message,
        "logprobs": chat_logprobs(choice.logprobs, of_refusal=of_refusal),
        **encode_end(choice),
        **_findings(choice),
    }


def _use_function_call(choice: Wire) -> None:
    """Before there were tools an answer held one call: the first, since a model repeats what it still wants to call."""
    calls = choice["message"].pop("tool_calls", None)
    if calls:
        choice["message"]["function_call"] = calls[0]["function"]
    if choice["finish_reason"] == "tool_calls":
        choice["finish_reason"] = FUNCTION_CALL


def _legacy_choice(choice: v1.Choice) -> Wire:
    message = _message(choice.message.parts)
    reasoning = message.get("reasoning_content")
    return {
        "index": choice.index,
        "text": (message["content"] or "") + (message["refusal"] or ""),
        "logprobs": legacy_logprobs(choice.logprobs),
        **({"reasoning_content": reasoning} if reasoning else {}),
        **encode_end(choice),
        **_findings(choice),
    }


def _findings(choice: v1.Choice) -> Wire:
    return {CHOICE: encode_results(choice.safety)} if choice.safety.ratings else {}


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
                calls.append(_tool_call(part.tool_call))
    refusal = "".join(texts["refusal"]) or None
    message: Wire = {
        "role": "assistant",
        "content": "".join(texts["text"]) or (None if calls or refusal else ""),
        "refusal": refusal,
    }
    if texts["reasoning"]:
        message["reasoning_content"] = "".join(texts["reasoning"])
    return message | ({"tool_calls": calls} if calls else {})


def _tool_call(call: v1.ToolCall) -> Wire:
    function = {"name": call.name, "arguments": call.arguments_json}
    return {"id": call.id, "type": "function", "function": function, **encode_extensions(call)}


def encode_extensions(
    source: v1.ToolCall | v1.ToolCallDelta | v1.Message | v1.ChoiceFinished, own: Collection[str] = _CALL
) -> Wire:
    """The vendor's own keys, such as the signature of a thought, which its caller has to send back.

    Keys in `own` are those of the dialect.
    """
    extensions = source.extensions
    return {key: _json(value) for key, value in extensions.items() if key not in own} if extensions else {}


def _json(value: str) -> Any:
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:  # a provider's mistake, which should not cost the answer
        return value
