"""Decodes the body of a chat completion or of a legacy text completion.

Every parameter is decoded, kept as an extension that the upstream may know, left out with a warning, or refused by its
name. Only null, and values that ask for what happens anyway, are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dragoman import v1

from dragoman_service.dialects.openai.server.decoded import OpenAIRequest
from dragoman_service.dialects.openai.server.fields import (
    boolean,
    integer,
    items,
    json_text,
    long_integer,
    mapping,
    number,
    read_object,
    required,
    text,
    unknown,
    unsupported,
    wrong,
)
from dragoman_service.dialects.openai.server.messages import MessageDecoder
from dragoman_service.dialects.openai.server.response_format import decode_response_format
from dragoman_service.dialects.openai.server.tools import (
    decode_function_choice,
    decode_functions,
    decode_tool_choice,
    decode_tools,
)
from dragoman_service.dialects.openai.server.unmapped import Decode, extension, known_to_some, needed, needless
from dragoman_service.errors import malformed_request

LEGACY_MAX_TOKENS = 16
"""`max_tokens` of a text completion that does not set it, as with OpenAI."""
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
_LABELS, _LABEL_KEY, _LABEL, _END_USER = 64, 64, 512, 256  # how many, and the characters of each


def decode_chat_request(body: bytes, *, reject: bool = False) -> OpenAIRequest:
    """The body of a chat completion. Raises INVALID_FIELD or MALFORMED_REQUEST.

    With `reject`, also for what could be left out with a warning.
    """
    decoded = _decode(body, CHAT_PARAMETERS, ("model", "messages"), reject=reject)
    request = decoded.request
    if not (reject or request.tools or request.tool_choice.mode == v1.ToolChoice.MODE_REQUIRED):
        request.ClearField("tool_choice")  # there is nothing to choose from
    return decoded


def decode_text_request(body: bytes, *, reject: bool = False) -> OpenAIRequest:
    """The body of a legacy text completion. See `decode_chat_request`."""
    decoded = _decode(body, TEXT_PARAMETERS, ("model", "prompt"), reject=reject)
    if not decoded.request.generation_config.HasField("max_output_tokens"):
        decoded.request.generation_config.max_output_tokens = LEGACY_MAX_TOKENS
    return decoded


def _decode(body: bytes, known: Mapping[str, Decode], names: tuple[str, ...], *, reject: bool) -> OpenAIRequest:
    parameters = read_object(body)
    decoded = OpenAIRequest(reject=reject)
    for name in names:
        required(parameters, name)
    try:
        for name, value in parameters.items():
            if value is None:
                continue
            if name not in known and name in _NAMES:  # it would replace what a field stands for
                decoded.leave_out(unknown(name))
            else:
                known.get(name, extension)(decoded, value, name)
    except UnicodeEncodeError:
        raise malformed_request("A text holds a lone surrogate, which is half a character. Send whole ones.") from None
    if parameters.get("stream_options") and not decoded.stream:
        decoded.include_usage = False
        decoded.leave_out(wrong("stream_options", "'stream_options' is only allowed when 'stream' is true."))
    return decoded


def _model(decoded: OpenAIRequest, value: Any, param: str) -> None:
    decoded.request.model = text(value, param)


def _messages(decoded: OpenAIRequest, value: Any, param: str) -> None:
    decoded.request.messages.extend(MessageDecoder(decoded).decode(value, param))


def _prompt(decoded: OpenAIRequest, value: Any, param: str) -> None:
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


def _stream(decoded: OpenAIRequest, value: Any, param: str) -> None:
    decoded.stream = boolean(value, param)


def _stream_options(decoded: OpenAIRequest, value: Any, param: str) -> None:
    known = frozenset({"include_usage", "include_obfuscation"})
    for name, option in decoded.given(mapping(value, param), known, param).items():
        wanted = boolean(option, f"{param}.{name}")
        if name == "include_usage":
            decoded.include_usage = wanted
        elif wanted:
            decoded.leave_out(unsupported(f"{param}.{name}", "Leave it out."))


def _config(name: str, convert: Callable[[Any, str], Any]) -> Decode:
    """Decodes a parameter that is the field `name` of GenerationConfig."""

    def decode(decoded: OpenAIRequest, value: Any, param: str) -> None:
        setattr(decoded.request.generation_config, name, convert(value, param))

    return decode


def _max_tokens(decoded: OpenAIRequest, value: Any, param: str) -> None:
    config, most = decoded.request.generation_config, integer(value, param)
    if most == -1:  # no limit, as some servers have it
        return
    if config.HasField("max_output_tokens") and config.max_output_tokens != most:
        raise wrong(param, "'max_tokens' and 'max_completion_tokens' differ. Send only the latter.")
    config.max_output_tokens = most


def _stop(decoded: OpenAIRequest, value: Any, param: str) -> None:
    stops = [value] if isinstance(value, str) else items(value, param)
    decoded.request.generation_config.stop_sequences.extend(
        stop for number, stop in enumerate(stops) if text(stop, f"{param}[{number}]")
    )


def _top_k(decoded: OpenAIRequest, value: Any, param: str) -> None:
    most = integer(value, param)
    if most not in (-1, 0):  # both mean all tokens
        decoded.request.generation_config.top_k = most


def _reasoning_effort(decoded: OpenAIRequest, value: Any, param: str) -> None:
    effort = text(value, param).lower()
    if effort not in EFFORTS:  # single vendors have words of their own
        extension(decoded, value, param)
    else:
        number = v1.ReasoningEffort.Value(f"REASONING_EFFORT_{effort.upper()}")
        decoded.request.generation_config.reasoning.effort = number


def _reasoning(decoded: OpenAIRequest, value: Any, param: str) -> None:
    """OpenRouter's object: the effort that other vendors have too, and more that only OpenRouter knows."""
    wanted = mapping(value, param)
    effort = wanted.get("effort")
    if effort in EFFORTS and not decoded.request.generation_config.HasField("reasoning"):
        _reasoning_effort(decoded, effort, f"{param}.effort")
    if effort not in EFFORTS or any(wanted[key] is not None for key in wanted if key != "effort"):
        extension(decoded, value, param)


def _response_format(decoded: OpenAIRequest, value: Any, param: str) -> None:
    wanted = decode_response_format(decoded, value, param)
    if wanted is not None:
        decoded.request.generation_config.response_format.CopyFrom(wanted)


def _grammar(decoded: OpenAIRequest, value: Any, param: str) -> None:
    if decoded.request.generation_config.HasField("response_format"):
        raise wrong(param, "'grammar' and 'response_format' exclude each other. Send one of them.")
    decoded.request.generation_config.response_format.grammar = text(value, param)


def _tools(decoded: OpenAIRequest, value: Any, param: str) -> None:
    decoded.request.tools.extend(decode_tools(decoded, value, param))


def _tool_choice(decoded: OpenAIRequest, value: Any, param: str) -> None:
    decoded.request.tool_choice.MergeFrom(decode_tool_choice(decoded, value, param))


def _functions(decoded: OpenAIRequest, value: Any, param: str) -> None:
    tools = list(decode_functions(decoded, value, param))
    decoded.functions = bool(tools)
    decoded.request.tools.extend(tools)


def _function_call(decoded: OpenAIRequest, value: Any, param: str) -> None:
    decoded.request.tool_choice.MergeFrom(decode_function_choice(value, param))


def _parallel(decoded: OpenAIRequest, value: Any, param: str) -> None:
    decoded.request.tool_choice.parallel = boolean(value, param)


def _end_user(decoded: OpenAIRequest, value: Any, param: str) -> None:
    user = text(value, param)
    if decoded.request.end_user not in ("", user):
        decoded.leave_out(wrong(param, "'user' and 'safety_identifier' differ. Send only the latter."))
    elif len(user) > _END_USER:
        decoded.leave_out(wrong(param, f"'{param}' has {len(user)} characters; at most {_END_USER} are allowed."))
    else:
        decoded.request.end_user = user


def _labels(decoded: OpenAIRequest, value: Any, param: str) -> None:
    """Labels, which no model sees, so that one that cannot be kept is left out."""
    labels = decoded.request.labels
    for name, label in mapping(value, param).items():
        at = f"{param}.{name[:64]}"
        kept = text(label, at) if decoded.reject or isinstance(label, str) else json_text(label)
        if 0 < len(name) <= _LABEL_KEY and len(kept) <= _LABEL and "\0" not in name + kept and len(labels) < _LABELS:
            labels[name] = kept
        else:
            limits = f"{_LABELS} with keys of 1 to {_LABEL_KEY} and values of at most {_LABEL} characters"
            decoded.leave_out(wrong(at, f"'{at}' cannot be kept: '{param}' holds at most {limits}."))


def _legacy_logprobs(decoded: OpenAIRequest, value: Any, param: str) -> None:
    decoded.request.generation_config.top_logprobs = integer(value, param)
    decoded.request.generation_config.include_logprobs = True


def _modalities(decoded: OpenAIRequest, value: Any, param: str) -> None:
    listed, error = items(value, param), unsupported(param, "Models answer in text only.")
    if listed and "text" not in listed:
        raise error
    if len(listed) > 1:
        decoded.leave_out(error)


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
    "logit_bias": known_to_some({}),
}
CHAT_PARAMETERS: dict[str, Decode] = {
    **_SHARED,
    "messages": _messages,
    "max_completion_tokens": _max_tokens,
    "logprobs": _config("include_logprobs", boolean),
    "top_logprobs": _config("top_logprobs", integer),
    "reasoning_effort": _reasoning_effort,
    "reasoning": _reasoning,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "parallel_tool_calls": _parallel,
    "safety_identifier": _end_user,
    "prompt_cache_key": known_to_some(),
    "prompt_cache_retention": known_to_some("in_memory"),
    "store": needless(False, advice="The answer is not kept. To keep one, start an operation with the native API."),
    "service_tier": known_to_some("auto", "default"),
    "modalities": _modalities,
    "verbosity": known_to_some("medium"),
    "moderate_before": needed(False, advice="No moderation runs before the model. A provider's own always applies."),
    "functions": _functions,
    "function_call": _function_call,
}
TEXT_PARAMETERS: dict[str, Decode] = {
    **_SHARED,
    "prompt": _prompt,
    "logprobs": _legacy_logprobs,
    "suffix": needed("", advice="Models continue a text. They cannot insert into one."),
    "best_of": needless(1, advice="All generated choices are returned. Send only 'n'."),
    "echo": needed(False, advice="Prepend the prompt to the answer yourself."),
}
_NAMES = CHAT_PARAMETERS.keys() | TEXT_PARAMETERS.keys()
