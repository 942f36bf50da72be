"""Decodes the body of a chat completion or of a legacy text completion.

Every parameter is decoded, or refused by its name. Only null, and values that ask for what happens anyway, are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dragoman import v1

from dragoman_service.dialects.contract import DecodedRequest
from dragoman_service.dialects.openai.server.fields import (
    boolean,
    given,
    integer,
    items,
    long_integer,
    mapping,
    number,
    one_of,
    read_object,
    required,
    text,
    unknown,
    unsupported,
    wrong,
)
from dragoman_service.dialects.openai.server.messages import decode_messages
from dragoman_service.dialects.openai.server.response_format import decode_response_format
from dragoman_service.dialects.openai.server.tools import decode_tool_choice, decode_tools
from dragoman_service.errors import malformed_request

LEGACY_MAX_TOKENS = 16
"""`max_tokens` of a text completion that does not set it, as with OpenAI."""
_EFFORTS = ("none", "minimal", "low", "medium", "high")

Decode = Callable[[DecodedRequest, Any, str], None]
"""Decodes the value of the parameter that the third argument names into the request."""


def decode_chat_request(body: bytes) -> DecodedRequest:
    """The body of a chat completion. Raises INVALID_FIELD or MALFORMED_REQUEST."""
    return _decode(body, CHAT_PARAMETERS, ("model", "messages"))


def decode_text_request(body: bytes) -> DecodedRequest:
    """The body of a legacy text completion. Raises INVALID_FIELD or MALFORMED_REQUEST."""
    decoded = _decode(body, TEXT_PARAMETERS, ("model", "prompt"))
    if not decoded.request.generation_config.HasField("max_output_tokens"):
        decoded.request.generation_config.max_output_tokens = LEGACY_MAX_TOKENS
    return decoded


def _decode(body: bytes, known: Mapping[str, Decode], needed: tuple[str, ...]) -> DecodedRequest:
    parameters = read_object(body)
    decoded = DecodedRequest()
    for name in needed:
        required(parameters, name)
    try:
        for name, value in parameters.items():
            if value is None:
                continue
            if name not in known:
                raise unknown(name)
            known[name](decoded, value, name)
    except UnicodeEncodeError:
        raise malformed_request("A text holds a lone surrogate, which is half a character. Send whole ones.") from None
    if parameters.get("stream_options") and not decoded.stream:
        raise wrong("stream_options", "'stream_options' is only allowed when 'stream' is true.")
    return decoded


def _model(decoded: DecodedRequest, value: Any, param: str) -> None:
    decoded.request.model = text(value, param)


def _messages(decoded: DecodedRequest, value: Any, param: str) -> None:
    decoded.request.messages.extend(decode_messages(value, param))


def _prompt(decoded: DecodedRequest, value: Any, param: str) -> None:
    if isinstance(value, list):
        if any(isinstance(item, int | list) for item in value):
            raise unsupported(param, "Token ids depend on the tokenizer of one model. Send text.")
        if len(value) != 1:
            raise wrong(
                param, f"'{param}' must be one string, not an array of {len(value)}. Send one request per prompt."
            )
        value = value[0]
    if not text(value, param):
        raise wrong(param, f"'{param}' must not be empty.")
    decoded.request.prompt = value


def _stream(decoded: DecodedRequest, value: Any, param: str) -> None:
    decoded.stream = boolean(value, param)


def _stream_options(decoded: DecodedRequest, value: Any, param: str) -> None:
    known = frozenset({"include_usage", "include_obfuscation"})
    for name, option in given(mapping(value, param), known, param).items():
        wanted = boolean(option, f"{param}.{name}")
        if name == "include_usage":
            decoded.include_usage = wanted
        elif wanted:
            raise unsupported(f"{param}.{name}", "Leave it out.")


def _config(name: str, convert: Callable[[Any, str], Any]) -> Decode:
    """Decodes a parameter that is the field `name` of GenerationConfig."""

    def decode(decoded: DecodedRequest, value: Any, param: str) -> None:
        setattr(decoded.request.generation_config, name, convert(value, param))

    return decode


def _max_tokens(decoded: DecodedRequest, value: Any, param: str) -> None:
    config, most = decoded.request.generation_config, integer(value, param)
    if config.HasField("max_output_tokens") and config.max_output_tokens != most:
        raise wrong(param, "'max_tokens' and 'max_completion_tokens' differ. Send only the latter.")
    config.max_output_tokens = most


def _stop(decoded: DecodedRequest, value: Any, param: str) -> None:
    stops = [value] if isinstance(value, str) else items(value, param)
    decoded.request.generation_config.stop_sequences.extend(
        text(stop, f"{param}[{number}]") for number, stop in enumerate(stops)
    )


def _top_k(decoded: DecodedRequest, value: Any, param: str) -> None:
    most = integer(value, param)
    if most not in (-1, 0):  # both mean all tokens
        decoded.request.generation_config.top_k = most


def _reasoning_effort(decoded: DecodedRequest, value: Any, param: str) -> None:
    effort = one_of(value, _EFFORTS, param)
    decoded.request.generation_config.reasoning.effort = v1.ReasoningEffort.Value(f"REASONING_EFFORT_{effort.upper()}")


def _response_format(decoded: DecodedRequest, value: Any, param: str) -> None:
    wanted = decode_response_format(value, param)
    if wanted is not None:
        decoded.request.generation_config.response_format.CopyFrom(wanted)


def _grammar(decoded: DecodedRequest, value: Any, param: str) -> None:
    if decoded.request.generation_config.HasField("response_format"):
        raise wrong(param, "'grammar' and 'response_format' exclude each other. Send one of them.")
    decoded.request.generation_config.response_format.grammar = text(value, param)


def _tools(decoded: DecodedRequest, value: Any, param: str) -> None:
    decoded.request.tools.extend(decode_tools(value, param))


def _tool_choice(decoded: DecodedRequest, value: Any, param: str) -> None:
    decoded.request.tool_choice.MergeFrom(decode_tool_choice(value, param))


def _parallel(decoded: DecodedRequest, value: Any, param: str) -> None:
    decoded.request.tool_choice.parallel = boolean(value, param)


def _end_user(decoded: DecodedRequest, value: Any, param: str) -> None:
    user = text(value, param)
    if decoded.request.end_user not in ("", user):
        raise wrong(param, "'user' and 'safety_identifier' differ. Send only the latter.")
    decoded.request.end_user = user


def _labels(decoded: DecodedRequest, value: Any, param: str) -> None:
    for name, label in mapping(value, param).items():
        decoded.request.labels[name] = text(label, f"{param}.{name[:64]}")


def _legacy_logprobs(decoded: DecodedRequest, value: Any, param: str) -> None:
    decoded.request.generation_config.top_logprobs = integer(value, param)
    decoded.request.generation_config.include_logprobs = True


def _idle(*values: Any, advice: str = "Leave it out.") -> Decode:
    """Accepts only `values`, which ask for what happens anyway. Raises INVALID_FIELD for any other."""

    def decode(_: DecodedRequest, value: Any, param: str) -> None:
        if not any(type(value) is type(idle) and value == idle for idle in values):
            raise unsupported(param, advice)

    return decode


def _cache_key(_: DecodedRequest, value: Any, param: str) -> None:
    """Ignores a hint for prompt caches, because the answer does not depend on it."""
    text(value, param)


_SHARED: dict[str, Decode] = {
    "model": _model,
    "stream": _stream,
    "stream_options": _stream_options,
    "max_tokens": _max_tokens,
    "temperature": _config("temperature", number),
    "top_p": _config("top_p", number),
    "top_k": _top_k,
    "min_p": _config("min_p", number),
    "n": _config("choice_count", integer),
    "seed": _config("seed", long_integer),
    "presence_penalty": _config("presence_penalty", number),
    "frequency_penalty": _config("frequency_penalty", number),
    "repetition_penalty": _config("repetition_penalty", number),
    "stop": _stop,
    "grammar": _grammar,
    "response_format": _response_format,
    "user": _end_user,
    "metadata": _labels,
    "logit_bias": _idle({}, advice="No provider supports it."),
}
CHAT_PARAMETERS: dict[str, Decode] = {
    **_SHARED,
    "messages": _messages,
    "max_completion_tokens": _max_tokens,
    "logprobs": _config("include_logprobs", boolean),
    "top_logprobs": _config("top_logprobs", integer),
    "reasoning_effort": _reasoning_effort,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "parallel_tool_calls": _parallel,
    "safety_identifier": _end_user,
    "prompt_cache_key": _cache_key,
    "prompt_cache_retention": _idle("in_memory"),
    "store": _idle(False, advice="Answers are not stored. Send false, or start an operation with the native API."),
    "service_tier": _idle("auto", "default", advice="There is only one tier. Send 'auto'."),
    "modalities": _idle(["text"], [], advice="Models answer in text only."),
    "verbosity": _idle("medium", advice="Ask for the length of the answer in a message."),
    "moderate_before": _idle(False, advice="No moderation runs before the model. A provider's own always applies."),
    "functions": _idle([], advice="Send 'tools' instead."),
    "function_call": _idle("none", advice="Send 'tool_choice' instead."),
}
TEXT_PARAMETERS: dict[str, Decode] = {
    **_SHARED,
    "prompt": _prompt,
    "logprobs": _legacy_logprobs,
    "suffix": _idle("", advice="Models continue a text. They cannot insert into one."),
    "best_of": _idle(1, advice="All generated choices are returned. Send only 'n'."),
    "echo": _idle(False, advice="Prepend the prompt to the answer yourself."),
}
