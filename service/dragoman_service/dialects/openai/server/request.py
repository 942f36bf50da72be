"""What a caller asks of us in this dialect: the body of a chat completion or of a legacy one as our request.

Everything is taken, or refused by its name; only null, and values that ask for what happens anyway, are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dragoman import v1

from dragoman_service.dialects.openai.server import messages as conversation
from dragoman_service.dialects.openai.server import tools as tools
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
from dragoman_service.dialects.openai.server.response_format import response_format
from dragoman_service.errors import malformed_request

LEGACY_MAX_TOKENS = 16
"""A legacy completion has so many tokens where it does not say."""
_EFFORTS = ("none", "minimal", "low", "medium", "high")


@dataclass(slots=True)
class Asked:
    """A request in our words, and how its answer is to be delivered."""

    request: v1.CompletionRequest = field(default_factory=v1.CompletionRequest)
    stream: bool = False
    include_usage: bool = False
    """Of a stream: its last chunk tells the usage."""


Take = Callable[[Asked, Any, str], None]
"""Takes the value of a parameter."""


def chat_asked(body: bytes) -> Asked:
    """The body of a chat completion. Raises INVALID_FIELD or MALFORMED_REQUEST."""
    return _read(body, _CHAT, ("model", "messages"))


def completion_asked(body: bytes) -> Asked:
    """The body of a legacy completion. Raises INVALID_FIELD or MALFORMED_REQUEST."""
    asked = _read(body, _LEGACY, ("model", "prompt"))
    if not asked.request.generation_config.HasField("max_output_tokens"):
        asked.request.generation_config.max_output_tokens = LEGACY_MAX_TOKENS
    return asked


def _read(body: bytes, known: Mapping[str, Take], needed: tuple[str, ...]) -> Asked:
    parameters = read_object(body)
    asked = Asked()
    for name in needed:
        required(parameters, name)
    try:
        for name, value in parameters.items():
            if value is None:
                continue
            if name not in known:
                raise unknown(name)
            known[name](asked, value, name)
    except UnicodeEncodeError:
        raise malformed_request(
            "A text holds half a character: a surrogate that stands alone. Send whole ones."
        ) from None
    if parameters.get("stream_options") and not asked.stream:
        raise wrong("stream_options", "'stream_options' is only allowed when 'stream' is true.")
    return asked


def _model(asked: Asked, value: Any, param: str) -> None:
    asked.request.model = text(value, param)


def _messages(asked: Asked, value: Any, param: str) -> None:
    asked.request.messages.extend(conversation.messages(value, param))


def _prompt(asked: Asked, value: Any, param: str) -> None:
    if isinstance(value, list):
        if any(isinstance(item, int | list) for item in value):
            raise unsupported(param, "The ids of tokens mean something to one tokenizer only: send text.")
        if len(value) != 1:
            raise wrong(param, f"'{param}' should be one string; it is an array of {len(value)}. Send each by itself.")
        value = value[0]
    if not text(value, param):
        raise wrong(param, f"'{param}' should not be empty.")
    asked.request.prompt = value


def _stream(asked: Asked, value: Any, param: str) -> None:
    asked.stream = boolean(value, param)


def _stream_options(asked: Asked, value: Any, param: str) -> None:
    known = frozenset({"include_usage", "include_obfuscation"})
    for name, option in given(mapping(value, param), known, param).items():
        wanted = boolean(option, f"{param}.{name}")
        if name == "include_usage":
            asked.include_usage = wanted
        elif wanted:
            raise unsupported(f"{param}.{name}", "Leave it out.")


def _config(name: str, convert: Callable[[Any, str], Any]) -> Take:
    """Takes a parameter that is a field of GenerationConfig."""

    def take(asked: Asked, value: Any, param: str) -> None:
        setattr(asked.request.generation_config, name, convert(value, param))

    return take


def _max_tokens(asked: Asked, value: Any, param: str) -> None:
    config, most = asked.request.generation_config, integer(value, param)
    if config.HasField("max_output_tokens") and config.max_output_tokens != most:
        raise wrong(param, "'max_tokens' and 'max_completion_tokens' say different things. Send the latter alone.")
    config.max_output_tokens = most


def _stop(asked: Asked, value: Any, param: str) -> None:
    stops = [value] if isinstance(value, str) else items(value, param)
    asked.request.generation_config.stop_sequences.extend(
        text(stop, f"{param}[{number}]") for number, stop in enumerate(stops)
    )


def _top_k(asked: Asked, value: Any, param: str) -> None:
    most = integer(value, param)
    if most not in (-1, 0):  # both say: all tokens
        asked.request.generation_config.top_k = most


def _reasoning_effort(asked: Asked, value: Any, param: str) -> None:
    effort = one_of(value, _EFFORTS, param)
    asked.request.generation_config.reasoning.effort = v1.ReasoningEffort.Value(f"REASONING_EFFORT_{effort.upper()}")


def _response_format(asked: Asked, value: Any, param: str) -> None:
    wanted = response_format(value, param)
    if wanted is not None:
        asked.request.generation_config.response_format.CopyFrom(wanted)


def _grammar(asked: Asked, value: Any, param: str) -> None:
    if asked.request.generation_config.HasField("response_format"):
        raise wrong(param, "'grammar' and 'response_format' both give the form of the answer: send one of the two.")
    asked.request.generation_config.response_format.grammar = text(value, param)


def _tools(asked: Asked, value: Any, param: str) -> None:
    asked.request.tools.extend(tools.tools(value, param))


def _tool_choice(asked: Asked, value: Any, param: str) -> None:
    asked.request.tool_choice.MergeFrom(tools.tool_choice(value, param))


def _parallel(asked: Asked, value: Any, param: str) -> None:
    asked.request.tool_choice.parallel = boolean(value, param)


def _end_user(asked: Asked, value: Any, param: str) -> None:
    user = text(value, param)
    if asked.request.end_user not in ("", user):
        raise wrong(param, "'user' and 'safety_identifier' name different users. Send the latter alone.")
    asked.request.end_user = user


def _labels(asked: Asked, value: Any, param: str) -> None:
    for name, label in mapping(value, param).items():
        asked.request.labels[name] = text(label, f"{param}.{name[:64]}")


def _legacy_logprobs(asked: Asked, value: Any, param: str) -> None:
    asked.request.generation_config.top_logprobs = integer(value, param)
    asked.request.generation_config.include_logprobs = True


def _idle(*values: Any, advice: str = "Leave it out.") -> Take:
    """Takes nothing but `values`, which ask for what happens anyway."""

    def take(_: Asked, value: Any, param: str) -> None:
        if not any(type(value) is type(idle) and value == idle for idle in values):
            raise unsupported(param, advice)

    return take


def _cache_key(_: Asked, value: Any, param: str) -> None:
    """A hint where a cached prompt may lie: whatever it says, the answer is the same."""
    text(value, param)


_BOTH: dict[str, Take] = {
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
    "logit_bias": _idle({}, advice="No provider here takes it."),
}
_CHAT: dict[str, Take] = {
    **_BOTH,
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
    "store": _idle(False, advice="Answers are not kept: send false, or start an operation of the native API."),
    "service_tier": _idle("auto", "default", advice="There is one tier: send 'auto'."),
    "modalities": _idle(["text"], [], advice="Models here answer in text."),
    "verbosity": _idle("medium", advice="Say in a message how long the answer should be."),
    "moderate_before": _idle(False, advice="No moderation runs before the model; a provider's own holds in any case."),
    "functions": _idle([], advice="Send 'tools', which took its place."),
    "function_call": _idle("none", advice="Send 'tool_choice', which took its place."),
}
_LEGACY: dict[str, Take] = {
    **_BOTH,
    "prompt": _prompt,
    "logprobs": _legacy_logprobs,
    "suffix": _idle("", advice="Models here go on with a text; they do not fill one in."),
    "best_of": _idle(1, advice="All that is generated is returned: send 'n' alone."),
    "echo": _idle(False, advice="Put the prompt before the answer yourself."),
}
