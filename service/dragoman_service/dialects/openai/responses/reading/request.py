"""Decodes the body of a request for a response. Each parameter is treated as those of chat completions are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from dragoman import v1

from dragoman_service.dialects.openai.responses.reading.choices import (
    decode_choice,
    decode_include,
    decode_reasoning,
    decode_text,
)
from dragoman_service.dialects.openai.responses.reading.decoded import ResponsesRequest
from dragoman_service.dialects.openai.responses.reading.items import ItemDecoder
from dragoman_service.dialects.openai.server.decoded import OpenAIRequest
from dragoman_service.dialects.openai.server.fields import (
    boolean,
    integer,
    mapping,
    number,
    read_object,
    required,
    text,
    unsupported,
    wrong,
)
from dragoman_service.dialects.openai.server.request import CHAT_PARAMETERS
from dragoman_service.dialects.openai.server.tools import decode_tools
from dragoman_service.dialects.openai.server.unmapped import extension, known_to_some, needed, needless
from dragoman_service.errors import malformed_request

Decode = Callable[[ResponsesRequest, Any, str], None]
_LEFT_OUT = "It has no effect here."


def decode_request(body: bytes, *, reject: bool = False, known: Mapping[str, Any] | None = None) -> ResponsesRequest:
    """The request in `body`. `known` are items by their ids. Raises MALFORMED_REQUEST and INVALID_FIELD.

    With `reject`, also for what could be left out with a warning.
    """
    parameters = read_object(body)
    decoded = ResponsesRequest(reject=reject, include_usage=True)
    required(parameters, "model")
    if not parameters.get("previous_response_id"):
        required(parameters, "input")
    given = parameters.pop("input", None)
    try:
        for name, value in parameters.items():
            if value is not None:
                _PARAMETERS.get(name, _other)(decoded, value, name)
        items = ItemDecoder(decoded, known or {})
        decoded.request.messages.extend(items.decode([] if given is None else given, "input"))
    except UnicodeEncodeError:
        raise malformed_request("A text holds a lone surrogate, which is half a character. Send whole ones.") from None
    _settle(decoded)
    return decoded


def _settle(decoded: ResponsesRequest) -> None:
    """What depends on several parameters."""
    request = decoded.request
    if not (decoded.reject or request.tools or request.tool_choice.mode == v1.ToolChoice.MODE_REQUIRED):
        request.ClearField("tool_choice")  # there is nothing to choose from
    if decoded.note.background and not decoded.store:
        message = "'background' needs 'store': a response that runs in the background is read later."
        raise wrong("background", f"{message} Leave 'store' out, or set it to true.")


def _other(decoded: ResponsesRequest, value: Any, param: str) -> None:
    """A parameter that this API does not have. Programs send those of others in addition."""
    if param in _SHARED:
        CHAT_PARAMETERS[param](decoded, value, param)
    else:
        extension(decoded, value, param)


def _instructions(decoded: ResponsesRequest, value: Any, param: str) -> None:
    given = text(value, param)
    if given:
        decoded.request.messages.insert(0, v1.Message(role=v1.ROLE_SYSTEM, parts=[v1.Part(text=given)]))
        decoded.note = replace(decoded.note, instructions=True)


def _previous(decoded: ResponsesRequest, value: Any, param: str) -> None:
    decoded.note = replace(decoded.note, previous=text(value, param))


def _background(decoded: ResponsesRequest, value: Any, param: str) -> None:
    decoded.note = replace(decoded.note, background=boolean(value, param))


def _background_options(decoded: ResponsesRequest, value: Any, param: str) -> None:
    values = decoded.given(mapping(value, param), frozenset({"completion_window"}), param)
    if values.get("completion_window", "soonest") != "soonest":
        decoded.leave_out(unsupported(f"{param}.completion_window", "Each response runs as soon as possible."))


def _store(decoded: ResponsesRequest, value: Any, param: str) -> None:
    decoded.store = boolean(value, param)


def _tools(decoded: ResponsesRequest, value: Any, param: str) -> None:
    decoded.request.tools.extend(decode_tools(decoded, value, param))


def _tool_choice(decoded: ResponsesRequest, value: Any, param: str) -> None:
    decoded.request.tool_choice.MergeFrom(decode_choice(decoded, value, param))


def _max_output_tokens(decoded: ResponsesRequest, value: Any, param: str) -> None:
    decoded.request.generation_config.max_output_tokens = integer(value, param)


def _top_logprobs(decoded: ResponsesRequest, value: Any, param: str) -> None:
    config = decoded.request.generation_config
    if most := integer(value, param):
        config.top_logprobs, config.include_logprobs = most, True


def _stream_options(decoded: ResponsesRequest, value: Any, param: str) -> None:
    for name, wanted in decoded.given(mapping(value, param), frozenset({"include_obfuscation"}), param).items():
        if boolean(wanted, f"{param}.{name}"):
            decoded.leave_out(unsupported(f"{param}.{name}", "Leave it out."))


def _shared(name: str) -> Decode:
    """A parameter that means the same in chat completions."""
    return CHAT_PARAMETERS[name]


def _of(convert: Callable[[Any, str], Any], name: str) -> Decode:
    def decode(decoded: OpenAIRequest, value: Any, param: str) -> None:
        setattr(decoded.request.generation_config, name, convert(value, param))

    return decode


_SHARED = frozenset(
    ("top_k", "min_p", "seed", "stop", "presence_penalty", "frequency_penalty", "repetition_penalty", "logit_bias")
)
_PARAMETERS: dict[str, Decode] = {
    **{name: _shared(name) for name in ("model", "stream", "metadata", "user", "safety_identifier")},
    **{name: _shared(name) for name in ("parallel_tool_calls", "service_tier")},
    **{name: _shared(name) for name in ("prompt_cache_key", "prompt_cache_retention")},
    "instructions": _instructions,
    "previous_response_id": _previous,
    "background": _background,
    "background_options": _background_options,
    "store": _store,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "text": decode_text,
    "reasoning": decode_reasoning,
    "include": decode_include,
    "max_output_tokens": _max_output_tokens,
    "temperature": _of(number, "temperature"),
    "top_p": _of(number, "top_p"),
    "top_logprobs": _top_logprobs,
    "stream_options": _stream_options,
    "prompt_cache_options": needless(advice=_LEFT_OUT),
    "access_programs": needless(advice=_LEFT_OUT),
    "max_tool_calls": needless(advice="It limits hosted tools, of which there are none."),
    "image": needless(advice="Models answer in text only."),
    "truncation": needed("disabled", advice="Nothing is cut from a conversation: send what the model has room for."),
    "conversation": needed(advice="Go on from 'previous_response_id', or send the whole conversation as 'input'."),
    "prompt": needed(advice="This service keeps no templates: send 'instructions' and 'input'."),
    "context_management": needed([], advice="Conversations are not compacted: send what the model has room for."),
    "moderation": needed(advice="No moderation runs before the model. A provider's own always applies."),
    "n": needed(1, advice="A response is one answer. Send several requests."),
    "verbosity": known_to_some("medium"),
}
