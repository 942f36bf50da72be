"""Encodes requests: one instance and the parameters, by the family of the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dragoman import v1

from dragoman_service.dialects.google.predict.families import Family
from dragoman_service.dialects.quoting import quoted
from dragoman_service.errors import FieldViolation, invalid

_CODE = {"max_output_tokens": "maxOutputTokens", "temperature": "temperature", "top_p": "topP", "top_k": "topK"}
_TEXT = {
    **_CODE,
    "seed": "seed",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
_NAMES = {Family.TEXT: _TEXT, Family.CHAT: _TEXT, Family.CODE: _CODE, Family.CODECHAT: _CODE}
_MORE = {
    Family.TEXT: ("stop_sequences", "include_logprobs", "top_logprobs"),
    Family.CHAT: ("stop_sequences", "include_logprobs", "top_logprobs"),
    Family.CODE: ("stop_sequences",),
    Family.CODECHAT: (),
}
_KEYS = {Family.TEXT: "prompt", Family.CODE: "prefix"}
_INSTRUCTIONS = (v1.ROLE_SYSTEM, v1.ROLE_DEVELOPER)
_AUTHORS = {v1.ROLE_USER: "user", v1.ROLE_DATA: "user", v1.ROLE_ASSISTANT: "bot"}


def supported_fields(family: Family) -> tuple[str, ...]:
    """The optional fields of a request that models of the family take."""
    return tuple(f"generation_config.{name}" for name in (*_NAMES[family], *_MORE[family]))


def encode_instance(request: v1.CompletionRequest, family: Family) -> dict[str, Any]:
    """The conversation. Raises INVALID_FIELD if the family takes a single prompt, and it is more than that."""
    context = "\n\n".join(_text(message) for message in request.messages if message.role in _INSTRUCTIONS)
    turns = [message for message in request.messages if message.role not in _INSTRUCTIONS]
    if family.is_chat:
        return {"messages": list(_turns(turns)), **({"context": context} if context else {})}
    if [message.role for message in turns] not in ([v1.ROLE_USER], [v1.ROLE_DATA]):
        allowed = (
            "must be one message of ROLE_USER, with or without instructions: choose a chat model for conversations"
        )
        raise invalid(FieldViolation("messages", allowed))
    return {_KEYS[family]: "\n\n".join(filter(None, (context, *map(_text, turns))))}


def encode_parameters(request: v1.CompletionRequest, family: Family) -> dict[str, Any]:
    """The parameters that are set."""
    config = request.generation_config
    given = {descriptor.name: value for descriptor, value in config.ListFields()}
    parameters = {key: given[name] for name, key in _NAMES[family].items() if name in given}
    if config.stop_sequences:
        parameters["stopSequences"] = list(config.stop_sequences)
    if config.include_logprobs:
        parameters["logprobs"] = config.top_logprobs
    return parameters


def _turns(messages: Sequence[v1.Message]) -> Iterator[dict[str, str]]:
    for message in messages:
        author = _AUTHORS.get(message.role)
        if author is None:
            raise invalid(FieldViolation("messages.role", "must be one of the named values of Role"))
        yield {"author": author, "content": _text(message)}


def _text(message: v1.Message) -> str:
    text = "\n".join(part.text for part in message.parts if part.HasField("text"))
    return quoted(text) if message.role == v1.ROLE_DATA else text
