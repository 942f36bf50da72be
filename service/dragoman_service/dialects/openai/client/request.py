"""Encodes requests: chat completions, and completions of a prompt."""

from __future__ import annotations

from typing import Any

from dragoman import v1

from dragoman_service.dialects.openai.client.errors import unsupported
from dragoman_service.dialects.openai.client.json import extend, schema_object
from dragoman_service.dialects.openai.client.messages import encode_messages
from dragoman_service.dialects.openai.client.quirks import Names, Quirks
from dragoman_service.dialects.openai.client.tools import encode_tools
from dragoman_service.errors import FieldViolation, invalid

_SCHEMA_FIELD = "generation_config.response_format.json_schema.schema_json"
_SPECIAL = frozenset(
    {"response_format", "choice_count", "seed", "top_p", "include_logprobs", "top_logprobs", "reasoning"}
)
_EFFORTS = {
    v1.REASONING_EFFORT_NONE: "none",
    v1.REASONING_EFFORT_MINIMAL: "minimal",
    v1.REASONING_EFFORT_LOW: "low",
    v1.REASONING_EFFORT_MEDIUM: "medium",
    v1.REASONING_EFFORT_HIGH: "high",
    v1.REASONING_EFFORT_XHIGH: "xhigh",
    v1.REASONING_EFFORT_MAX: "xhigh",
}


def encode_chat(
    request: v1.CompletionRequest, quirks: Quirks, choice: int | None = None, *, stream: bool = True
) -> dict[str, Any]:
    """The body of a chat completion, streamed or whole.

    `choice` is the index of the one choice that the body asks for, None for all of them. Raises INVALID_FIELD, and
    UNSUPPORTED_FIELD for what the upstream cannot do.
    """
    if not request.messages:
        raise invalid(FieldViolation("messages", "at least one message is required"))
    config = request.generation_config
    encoded = {
        "model": request.model,
        "messages": encode_messages(request, quirks),
        **_delivery(request, quirks, stream=stream),
        **_sampling(config, quirks, quirks.names, choice),
        **_logprobs(config, quirks),
        **_reasoning(config, quirks),
        **_response_format(config),
        **encode_tools(request, quirks),
    }
    return extend(encoded, request.extensions)


def encode_prompt(
    request: v1.CompletionRequest, quirks: Quirks, choice: int | None = None, *, stream: bool = True
) -> dict[str, Any]:
    """The body of a completion of a prompt. See `encode_chat`."""
    if not request.prompt:
        raise invalid(FieldViolation("messages", "at least one message is required, or a prompt instead"))
    config = request.generation_config
    unsupported_names = [name for name in _fields(config) if name not in quirks.prompt_names]
    kind = config.response_format.WhichOneof("format")
    if kind and kind not in quirks.prompt_formats:
        unsupported_names.append(f"response_format.{kind}")
    if unsupported_names:
        reason = "is not supported by the provider together with `prompt`"
        raise unsupported(*(FieldViolation(f"generation_config.{name}", reason) for name in unsupported_names))
    encoded = {
        "model": request.model,
        "prompt": request.prompt,
        **_delivery(request, quirks, stream=stream),
        **_sampling(config, quirks, quirks.prompt_names, choice),
        **_prompt_logprobs(config, quirks),
        **_prompt_format(config),
    }
    return extend(encoded, request.extensions)


def _fields(config: v1.GenerationConfig) -> list[str]:
    return [descriptor.name for descriptor, _ in config.ListFields() if descriptor.name != "response_format"]


def _delivery(request: v1.CompletionRequest, quirks: Quirks, *, stream: bool) -> dict[str, Any]:
    keys: dict[str, Any] = {"stream": stream, **quirks.always}
    if stream and quirks.stream_usage:
        keys["stream_options"] = {"include_usage": True}
    if request.end_user and quirks.user_key:
        keys[quirks.user_key] = request.end_user
    for name in _fields(request.generation_config) if quirks.alongside else ():
        keys |= quirks.alongside.get(name, {})
    return keys


def _sampling(config: v1.GenerationConfig, quirks: Quirks, names: Names, choice: int | None) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    for descriptor, value in config.ListFields():
        if descriptor.name not in _SPECIAL and descriptor.name in names:
            keys[names[descriptor.name]] = list(value) if descriptor.name == "stop_sequences" else value
    if config.HasField("seed") and "seed" in names:
        keys[names["seed"]] = _seed(config.seed + (choice or 0), quirks.seed_bits)
    if config.HasField("top_p") and "top_p" in names:
        keys[names["top_p"]] = max(config.top_p, quirks.least_top_p)
    if choice is None and config.choice_count > 1:
        keys[names["choice_count"]] = config.choice_count
    return keys


def _seed(seed: int, bits: int) -> int:
    """The lowest `bits` of `seed`; with 64 bits a signed number, otherwise one that is not negative."""
    size = 1 << bits
    lowest = seed % size
    return lowest - size if bits == 64 and lowest >= size // 2 else lowest


def _logprobs(config: v1.GenerationConfig, quirks: Quirks) -> dict[str, Any]:
    if not config.include_logprobs or "include_logprobs" not in quirks.names:
        return {}
    keys: dict[str, Any] = {quirks.names["include_logprobs"]: True}
    if "top_logprobs" in quirks.names:
        keys[quirks.names["top_logprobs"]] = max(config.top_logprobs, quirks.least_top_logprobs)
    return keys


def _prompt_logprobs(config: v1.GenerationConfig, quirks: Quirks) -> dict[str, int]:
    """In this format, one key holds the number of alternatives for each token."""
    if not config.include_logprobs:
        return {}
    return {quirks.prompt_names["include_logprobs"]: max(config.top_logprobs, quirks.least_top_logprobs)}


def _reasoning(config: v1.GenerationConfig, quirks: Quirks) -> dict[str, Any]:
    effort = _EFFORTS.get(config.reasoning.effort)
    if effort is None or "reasoning" not in quirks.names:
        return {}
    key, _, inner = quirks.names["reasoning"].partition(".")
    return {key: {inner: effort} if inner else effort}


def _response_format(config: v1.GenerationConfig) -> dict[str, Any]:
    match config.response_format.WhichOneof("format"):
        case "json_object":
            return {"response_format": {"type": "json_object"}}
        case "json_schema":
            return {
                "response_format": {"type": "json_schema", "json_schema": _schema(config.response_format.json_schema)}
            }
        case "grammar":
            return {"grammar": config.response_format.grammar}
    return {}


def _schema(wanted: v1.JsonSchema) -> dict[str, Any]:
    return {
        "name": wanted.name or "answer",
        **({"description": wanted.description} if wanted.description else {}),
        "strict": wanted.strict if wanted.HasField("strict") else True,
        "schema": schema_object(wanted.schema_json, _SCHEMA_FIELD),
    }


def _prompt_format(config: v1.GenerationConfig) -> dict[str, Any]:
    """The format of llama.cpp, the only server that supports it here."""
    match config.response_format.WhichOneof("format"):
        case "json_object":
            return {"json_schema": {"type": "object"}}
        case "json_schema":
            return {"json_schema": schema_object(config.response_format.json_schema.schema_json, _SCHEMA_FIELD)}
        case "grammar":
            return {"grammar": config.response_format.grammar}
    return {}
