"""Builds requests from prompts and options."""

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
"""The text of a user; or a conversation of messages and (role, text) pairs, oldest first; or a complete request.

Roles are system, developer, user, assistant and data, see `v1.Role`. Results of tools are `v1.Message`s with
`v1.ROLE_TOOL`, because their parts are not text.
"""


class Options(TypedDict, total=False):
    """Options of a completion: the fields of `v1.GenerationConfig`, and some of the other fields of the request.

    None is the same as an omitted option. Options override the fields of a `v1.CompletionRequest` given as the prompt.
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
    """JSON Schema to which the answer must conform: short for a `response_format` with `json_schema`."""
    tools: Sequence[v1.Tool] | None
    """Tools that the model may ask the caller to run; `tool_calls_of` reads the calls."""
    tool_choice: v1.ToolChoice | None
    """Whether the model calls tools, and which ones. Default: the model decides."""
    end_user: str | None
    """Opaque id of the person or program on whose behalf the caller acts, preferably a hash."""
    labels: Mapping[str, str] | None
    """The caller's own labels, added to those of the request."""
    system: str | None
    """Standing instructions: a system message in front of the others."""
    request_id: str | None
    """Idempotency key: the same request with the same key runs once, and all callers get its answer."""
    disconnect_policy: Literal["cancel", "continue"] | v1.DisconnectPolicy.ValueType | None
    """Whether the completion continues as an operation if its caller leaves. Default: only with a `request_id`."""


class StartOptions(Options, total=False):
    """Options of a completion, and of the operation that carries it."""

    operation_id: str | None
    """Last segment of the operation's name: 4 to 63 characters from a-z, 0-9 and -, starting with a letter, not ending
    in -. Default: the service chooses one."""
    ttl: float | None
    """Seconds that the answer is kept after the operation ends. Default: the service's setting (24 h)."""
    max_attempts: int | None
    """How many workers the operation may lose before it fails; with 1 it never runs again. Default: the service's
    setting (3)."""
    priority: int | None
    """Priority in the queue, from -100 to 100; higher values run first. Default: 0."""
    keep_request: bool | None
    """Keep the request as long as the answer, for `OperationHandle.request`. Default: it is erased with the end."""


_CONFIG_FIELDS = frozenset(v1.GenerationConfig.DESCRIPTOR.fields_by_name)


def completion_request(prompt: Prompt, model: str | None, options: Options) -> v1.CompletionRequest:
    """Builds the request for `prompt` and `options`. Raises TypeError or ValueError if one of them cannot be sent."""
    return _completion_request(prompt, model, _given(options, Options))


def start_request(prompt: Prompt, model: str | None, options: StartOptions) -> v1.StartCompletionRequest:
    """Builds the request for an operation. It always has a request_id, so that it is safe to repeat."""
    given = _given(options, StartOptions)
    start = v1.StartCompletionRequest(
        operation_id=given.get("operation_id", ""),
        max_attempts=given.get("max_attempts"),
        priority=given.get("priority", 0),
        keep_request=given.get("keep_request", False),
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
    """Builds the request for the tokens of a plain text, or of a request's prompt as the model would see it."""
    if isinstance(text, v1.CompletionRequest):
        request = completion_request(text, model, {})
        return v1.TokenizeRequest(model=request.model, request=request)
    return v1.TokenizeRequest(model=model or DEFAULT_MODEL, text=text)


def _given(options: Options, kind: type[Options]) -> dict[str, Any]:
    known = kind.__annotations__
    unknown = [name for name in options if name not in known]
    if unknown:
        raise TypeError(f"Unknown option {', '.join(unknown)}. Known options: {', '.join(sorted(known))}.")
    return {name: value for name, value in options.items() if value is not None}


def _policy(given: str | v1.DisconnectPolicy.ValueType) -> v1.DisconnectPolicy.ValueType:
    if not isinstance(given, str):
        return given
    names = {"cancel": v1.DISCONNECT_POLICY_CANCEL, "continue": v1.DISCONNECT_POLICY_CONTINUE}
    if given not in names:
        raise ValueError(f"Unknown disconnect_policy {given!r}. Known policies: {', '.join(names)}.")
    return names[given]


def _configure(request: v1.CompletionRequest, given: dict[str, Any]) -> None:
    fields = {name: value for name, value in given.items() if name in _CONFIG_FIELDS}
    if "json_schema" in given:
        if "response_format" in fields:
            raise TypeError("json_schema and response_format exclude each other: set only one of them.")
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
        f"A turn of a conversation must be a v1.Message or a (role, text) pair, not {type(turn).__name__}. "
        "A prompt is a str, a list of turns, or a v1.CompletionRequest."
    )


def _message(role: str, text: str) -> v1.Message:
    name = f"ROLE_{role.upper()}"
    if name not in v1.Role.keys() or name == "ROLE_UNSPECIFIED":  # noqa: SIM118 - an enum wrapper is not a container
        known = ", ".join(key.removeprefix("ROLE_").lower() for key in v1.Role.keys()[1:])
        raise ValueError(f"Unknown role {role!r}. Known roles: {known}.")
    return v1.Message(role=v1.Role.Value(name), parts=[v1.Part(text=text)])
