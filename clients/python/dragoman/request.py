"""From what callers write to what is sent: prompts and options become requests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal, TypeAlias, TypedDict
from uuid import uuid4

from dragoman import v1

DEFAULT_MODEL = "local"

Turn: TypeAlias = v1.Message | tuple[str, str]
Prompt: TypeAlias = str | Sequence[Turn] | v1.CompletionRequest
"""What the user says; or a conversation of messages and (role, text) pairs, oldest first; or a whole request.

Roles are system, developer, user, assistant, tool and data, see `v1.Role`; what tools answered are `v1.Message`s, as
their parts are tool results.
"""


class Options(TypedDict, total=False):
    """How to generate: the fields of `v1.GenerationConfig` by name, and a few that shape the rest of the request.

    None is the same as leaving an option out. Options given with a whole `v1.CompletionRequest` replace what it says.
    """

    max_output_tokens: int | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    min_p: float | None
    stop_sequences: str | Sequence[str] | None
    seed: int | None
    choice_count: int | None
    presence_penalty: float | None
    frequency_penalty: float | None
    repetition_penalty: float | None
    include_logprobs: bool | None
    top_logprobs: int | None
    reasoning: v1.ReasoningConfig | None
    response_format: v1.ResponseFormat | None
    json_schema: Mapping[str, Any] | str | None
    """JSON Schema that the answer must fit: short for `response_format` with a schema."""
    tools: Sequence[v1.Tool] | None
    """What the model may ask the caller to do; its calls are read with `tool_calls_of`."""
    tool_choice: v1.ToolChoice | None
    """Whether and which of the tools are called. Default: the model decides."""
    end_user: str | None
    """An opaque id of whom the caller acts for, best a hash."""
    labels: Mapping[str, str] | None
    """The caller's own marks, added to the request's."""
    system: str | None
    """Standing instructions: a message of the system in front of the others."""
    request_id: str | None
    """Makes the request safe to repeat: the same request with the same id is answered once, and all get that answer."""
    disconnect_policy: Literal["cancel", "continue"] | v1.DisconnectPolicy.ValueType | None
    """Whether the completion goes on, as an operation, when its caller leaves. Default: only with a `request_id`."""


class StartOptions(Options, total=False):
    """How to generate, and how the operation is run and kept."""

    operation_id: str | None
    """The last part of the operation's name: 4 to 63 characters from a-z, 0-9 and -, starting with a letter."""
    ttl: float | None
    """Seconds that the answer is kept after the end."""
    max_attempts: int | None
    """How often workers may be lost at it before it fails. 1: it never runs again, so that no money is spent twice."""
    priority: int | None
    """From -100 to 100; operations with a higher one are taken up first."""


_CONFIG_FIELDS = frozenset(v1.GenerationConfig.DESCRIPTOR.fields_by_name)


def completion_request(prompt: Prompt, model: str | None, options: Options) -> v1.CompletionRequest:
    """The request that `prompt` and `options` ask for. Raises TypeError or ValueError for what cannot be sent."""
    return _completion_request(prompt, model, _given(options, Options))


def start_request(prompt: Prompt, model: str | None, options: StartOptions) -> v1.StartCompletionRequest:
    """Asks for an operation; with a request_id in any case, so that it is safe to repeat."""
    given = _given(options, StartOptions)
    start = v1.StartCompletionRequest(
        operation_id=given.get("operation_id", ""),
        max_attempts=given.get("max_attempts"),
        priority=given.get("priority", 0),
        request=_completion_request(prompt, model, given),
    )
    if "ttl" in given:
        start.ttl.FromTimedelta(timedelta(seconds=given["ttl"]))
    start.request.request_id = start.request.request_id or str(uuid4())
    return start


def _completion_request(prompt: Prompt, model: str | None, given: dict[str, Any]) -> v1.CompletionRequest:
    request = v1.CompletionRequest()
    if isinstance(prompt, v1.CompletionRequest):
        request.CopyFrom(prompt)
    else:
        request.messages.extend(_messages(prompt))
    request.model = model or request.model or DEFAULT_MODEL
    if "system" in given:
        request.messages.insert(0, _message("system", given["system"]))
    if "tools" in given:
        del request.tools[:]
        request.tools.extend(given["tools"])
    if "tool_choice" in given:
        request.tool_choice.CopyFrom(given["tool_choice"])
    request.end_user = given.get("end_user", request.end_user)
    request.labels.update(given.get("labels", {}))
    request.request_id = given.get("request_id", request.request_id)
    if "disconnect_policy" in given:
        request.disconnect_policy = _policy(given["disconnect_policy"])
    _configure(request, given)
    return request


def tokenize_request(text: str | v1.CompletionRequest, model: str | None) -> v1.TokenizeRequest:
    """Asks for the tokens of a text on its own, or of a request's prompt as the model would see it."""
    if isinstance(text, v1.CompletionRequest):
        request = completion_request(text, model, {})
        return v1.TokenizeRequest(model=request.model, request=request)
    return v1.TokenizeRequest(model=model or DEFAULT_MODEL, text=text)


def _given(options: Options, kind: type[Options]) -> dict[str, Any]:
    known = kind.__annotations__
    unknown = [name for name in options if name not in known]
    if unknown:
        raise TypeError(f"Unknown option {', '.join(unknown)}. Known: {', '.join(sorted(known))}.")
    return {name: value for name, value in options.items() if value is not None}


def _policy(given: str | v1.DisconnectPolicy.ValueType) -> v1.DisconnectPolicy.ValueType:
    if not isinstance(given, str):
        return given
    names = {"cancel": v1.DISCONNECT_POLICY_CANCEL, "continue": v1.DISCONNECT_POLICY_CONTINUE}
    if given not in names:
        raise ValueError(f"Unknown disconnect_policy {given!r}. Known: {', '.join(names)}.")
    return names[given]


def _configure(request: v1.CompletionRequest, given: dict[str, Any]) -> None:
    fields = {name: value for name, value in given.items() if name in _CONFIG_FIELDS}
    if "json_schema" in given:
        if "response_format" in fields:
            raise TypeError("Give json_schema or response_format, not both.")
        fields["response_format"] = _json_format(given["json_schema"])
    if isinstance(fields.get("stop_sequences"), str):
        fields["stop_sequences"] = [fields["stop_sequences"]]
    if fields:
        config = v1.GenerationConfig(**fields)
        for name in fields:
            request.generation_config.ClearField(name)  # type: ignore[arg-type]
        request.generation_config.MergeFrom(config)


def _json_format(schema: Mapping[str, Any] | str) -> v1.ResponseFormat:
    text = schema if isinstance(schema, str) else json.dumps(schema, ensure_ascii=False)
    return v1.ResponseFormat(json_schema=v1.JsonSchema(schema_json=text))


def _messages(prompt: str | Sequence[Turn]) -> list[v1.Message]:
    turns: Sequence[Turn] = [("user", prompt)] if isinstance(prompt, str) else prompt
    return [turn if isinstance(turn, v1.Message) else _pair(turn) for turn in turns]


def _pair(turn: object) -> v1.Message:
    match turn:
        case (str() as role, str() as text):
            return _message(role, text)
    raise TypeError(
        f"A turn of a conversation is a v1.Message or a (role, text) pair, not {type(turn).__name__}. "
        "A prompt is a str, a list of turns, or a v1.CompletionRequest."
    )


def _message(role: str, text: str) -> v1.Message:
    name = f"ROLE_{role.upper()}"
    if name not in v1.Role.keys() or name == "ROLE_UNSPECIFIED":  # noqa: SIM118 - an enum wrapper is no container
        known = ", ".join(key.removeprefix("ROLE_").lower() for key in v1.Role.keys()[1:])
        raise ValueError(f"Unknown role {role!r}. Known: {known}.")
    return v1.Message(role=v1.Role.Value(name), parts=[v1.Part(text=text)])
