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
Fields = dict[str, Any]
"""The fields of a GenerationConfig that are set, by name."""
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
    fields = _set_fields(request.generation_config)
    encoded = {"model": request.model, "messages": encode_messages(request, quirks), "stream": stream, **quirks.always}
    _add_delivery(encoded, request, fields, quirks)
    if fields:
        _add_sampling(encoded, fields, quirks, quirks.names, choice)
        encoded |= _logprobs(fields, quirks) if fields.get("include_logprobs") else {}
        encoded |= _reasoning(fields["reasoning"], quirks) if "reasoning" in fields else {}
        encoded |= _response_format(fields["response_format"]) if "response_format" in fields else {}
    if request.tools:
        encoded |= encode_tools(request, quirks)
    return extend(encoded, request.extensions)


def encode_prompt(
    request: v1.CompletionRequest, quirks: Quirks, choice: int | None = None, *, stream: bool = True
) -> dict[str, Any]:
    """The body of a completion of a prompt. See `encode_chat`."""
    if not request.prompt:
        raise invalid(FieldViolation("messages", "at least one message is required, or a prompt instead"))
    fields = _set_fields(request.generation_config)
    unsupported_names = [name for name in fields if name not in quirks.prompt_names and name != "response_format"]
    kind = request.generation_config.response_format.WhichOneof("format")
    if kind and kind not in quirks.prompt_formats:
        unsupported_names.append(f"response_format.{kind}")
    if unsupported_names:
        reason = "is not supported by the provider together with `prompt`"
        raise unsupported(*(FieldViolation(f"generation_config.{name}", reason) for name in unsupported_names))
    encoded = {"model": request.model, "prompt": request.prompt, "stream": stream, **quirks.always}
    _add_delivery(encoded, request, fields, quirks)
    _add_sampling(encoded, fields, quirks, quirks.prompt_names, choice)
    encoded |= _prompt_logprobs(fields, quirks) if fields.get("include_logprobs") else {}
    encoded |= _prompt_format(fields["response_format"]) if "response_format" in fields else {}
    return extend(encoded, request.extensions)


def _set_fields(config: v1.GenerationConfig) -> Fields:
    return {descriptor.name: value for descriptor, value in config.ListFields()}


def _add_delivery(encoded: dict[str, Any], request: v1.CompletionRequest, fields: Fields, quirks: Quirks) -> None:
    if encoded["stream"] and quirks.stream_usage:
        encoded["stream_options"] = {"include_usage": True}
    if quirks.user_key and request.end_user:
        encoded[quirks.user_key] = request.end_user
    for name in fields if quirks.alongside else ():
        encoded |= quirks.alongside.get(name, {})


def _add_sampling(encoded: dict[str, Any], fields: Fields, quirks: Quirks, names: Names, choice: int | None) -> None:
    for name, value in fields.items():
        if name in names and name not in _SPECIAL:
            encoded[names[name]] = list(value) if name == "stop_sequences" else value
    if "seed" in fields and "seed" in names:
        encoded[names["seed"]] = _seed(fields["seed"] + (choice or 0), quirks.seed_bits)
    if "top_p" in fields and "top_p" in names:
        encoded[names["top_p"]] = max(fields["top_p"], quirks.least_top_p)
    if choice is None and fields.get("choice_count", 1) > 1:
        encoded[names["choice_count"]] = fields["choice_count"]


def _seed(seed: int, bits: int) -> int:
    """The lowest `bits` of `seed`; with 64 bits a signed number, otherwise one that is not negative."""
    size = 1 << bits
    lowest = seed % size
    return lowest - size if bits == 64 and lowest >= size // 2 else lowest


def _logprobs(fields: Fields, quirks: Quirks) -> dict[str, Any]:
    if "include_logprobs" not in quirks.names:
        return {}
    keys: dict[str, Any] = {quirks.names["include_logprobs"]: True}
    if "top_logprobs" in quirks.names:
        keys[quirks.names["top_logprobs"]] = max(fields.get("top_logprobs", 0), quirks.least_top_logprobs)
    return keys


def _prompt_logprobs(fields: Fields, quirks: Quirks) -> dict[str, int]:
    """In this format, one key holds the number of alternatives for each token."""
    return {quirks.prompt_names["include_logprobs"]: max(fields.get("top_logprobs", 0), quirks.least_top_logprobs)}


def _reasoning(config: v1.ReasoningConfig, quirks: Quirks) -> dict[str, Any]:
    effort = _EFFORTS.get(config.effort)
    if effort is None or "reasoning" not in quirks.names:
        return {}
    key, _, inner = quirks.names["reasoning"].partition(".")
    return {key: {inner: effort} if inner else effort}


def _response_format(wanted: v1.ResponseFormat) -> dict[str, Any]:
    match wanted.WhichOneof("format"):
        case "json_object":
            return {"response_format": {"type": "json_object"}}
        case "json_schema":
            return {"response_format": {"type": "json_schema", "json_schema": _schema(wanted.json_schema)}}
        case "grammar":
            return {"grammar": wanted.grammar}
    return {}


def _schema(wanted: v1.JsonSchema) -> dict[str, Any]:
    return {
        "name": wanted.name or "answer",
        **({"description": wanted.description} if wanted.description else {}),
        "strict": wanted.strict if wanted.HasField("strict") else True,
        "schema": schema_object(wanted.schema_json, _SCHEMA_FIELD),
    }


def _prompt_format(wanted: v1.ResponseFormat) -> dict[str, Any]:
    """The format of llama.cpp, the only server that supports it here."""
    match wanted.WhichOneof("format"):
        case "json_object":
            return {"json_schema": {"type": "object"}}
        case "json_schema":
            return {"json_schema": schema_object(wanted.json_schema.schema_json, _SCHEMA_FIELD)}
        case "grammar":
            return {"grammar": wanted.grammar}
    return {}
