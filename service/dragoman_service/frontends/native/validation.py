"""Is a request sound? Every wrong field is named at once, before any provider is asked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from dragoman import v1
from google.protobuf.duration_pb2 import Duration

from dragoman_service.contract import FieldViolation, invalid
from dragoman_service.frontends.native import limits

_ROLES = frozenset(v1.Role.values()) - {v1.ROLE_UNSPECIFIED}
_POLICIES = frozenset(v1.UnsupportedFieldPolicy.values())
_DISCONNECT = frozenset(v1.DisconnectPolicy.values())
_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_REQUEST_ID = re.compile(rf"[!-~]{{1,{limits.REQUEST_ID}}}")
_OPERATION_ID = re.compile(r"[a-z][a-z0-9-]{2,61}[a-z0-9]")

# field: what is allowed, and whether a value is
_RANGES: dict[str, tuple[str, Callable[[float], bool]]] = {
    "max_output_tokens": (f"from 1 to {limits.OUTPUT_TOKENS}", lambda n: 1 <= n <= limits.OUTPUT_TOKENS),
    "temperature": ("from 0 to 2", lambda n: 0 <= n <= 2),
    "top_p": ("above 0 and at most 1", lambda n: 0 < n <= 1),
    "top_k": (f"from 1 to {limits.TOP_K}", lambda n: 1 <= n <= limits.TOP_K),
    "min_p": ("from 0 to 1", lambda n: 0 <= n <= 1),
    "seed": (f"from 0 to {limits.SEED}", lambda n: 0 <= n <= limits.SEED),
    "choice_count": (f"from 1 to {limits.CHOICES}", lambda n: 1 <= n <= limits.CHOICES),
    "presence_penalty": ("from -2 to 2", lambda n: -2 <= n <= 2),
    "frequency_penalty": ("from -2 to 2", lambda n: -2 <= n <= 2),
    "repetition_penalty": ("above 0 and at most 2", lambda n: 0 < n <= 2),
    "top_logprobs": (f"from 0 to {limits.TOP_LOGPROBS}", lambda n: 0 <= n <= limits.TOP_LOGPROBS),
}


def check_request(request: v1.CompletionRequest) -> None:
    """Raises INVALID_FIELD naming every wrong field."""
    _raise(_request(request))


def check_start(request: v1.StartCompletionRequest) -> None:
    """Raises INVALID_FIELD naming every wrong field."""
    _raise(_start(request))


def check_attach(request: v1.AttachCompletionRequest) -> None:
    """Raises INVALID_FIELD naming every wrong field."""
    _raise(_attach(request))


def check_tokenize(request: v1.TokenizeRequest) -> None:
    """Raises INVALID_FIELD naming every wrong field."""
    _raise(_tokenize(request))


def _raise(violations: Iterator[FieldViolation]) -> None:
    found = tuple(violations)
    if found:
        raise invalid(*found)


def _start(request: v1.StartCompletionRequest) -> Iterator[FieldViolation]:
    yield from _request(request.request, "request.")
    if request.operation_id and not _OPERATION_ID.fullmatch(request.operation_id):
        allowed = "4 to 63 characters from a-z, 0-9 and -, starting with a letter and not ending in -"
        yield FieldViolation("operation_id", f"should have {allowed}")
    if request.HasField("ttl") and not limits.LEAST_TTL <= seconds(request.ttl) <= limits.TTL:
        yield FieldViolation("ttl", f"should be from {limits.LEAST_TTL} s to {limits.TTL} s (30 days)")
    if request.HasField("max_attempts") and not 1 <= request.max_attempts <= limits.ATTEMPTS:
        yield FieldViolation("max_attempts", f"is {request.max_attempts}; should be from 1 to {limits.ATTEMPTS}")
    if not -limits.PRIORITY <= request.priority <= limits.PRIORITY:
        yield FieldViolation(
            "priority", f"is {request.priority}; should be from -{limits.PRIORITY} to {limits.PRIORITY}"
        )


def _attach(request: v1.AttachCompletionRequest) -> Iterator[FieldViolation]:
    if not request.name:
        yield FieldViolation("name", "is required: the name of an operation, as in operations/ID")
    if request.after_sequence < 0:
        yield FieldViolation("after_sequence", "should be the number of the last event that was read, or 0")


def seconds(duration: Duration) -> float:
    """A duration as a number."""
    return duration.seconds + duration.nanos / 1e9


def _tokenize(request: v1.TokenizeRequest) -> Iterator[FieldViolation]:
    match request.WhichOneof("input"):
        case "text":
            if not request.model:
                yield FieldViolation("model", "is required: the name or an alias of a model")
            if len(request.text) > limits.TEXT:
                yield FieldViolation("text", f"has {len(request.text)} characters; at most {limits.TEXT} are allowed")
        case "request":
            yield from _request(request.request, "request.")
            if request.model not in ("", request.request.model):
                yield FieldViolation("model", "should be empty or the same as request.model")
        case _:
            yield FieldViolation("input", "one of text and request is required")


def _request(request: v1.CompletionRequest, at: str = "") -> Iterator[FieldViolation]:
    if not request.model:
        yield FieldViolation(f"{at}model", "is required: the name or an alias of a model, as in 'local'")
    if request.unsupported_field_policy not in _POLICIES:
        yield _unknown_value(f"{at}unsupported_field_policy", v1.UnsupportedFieldPolicy, "UNSUPPORTED_FIELD_POLICY_")
    if request.disconnect_policy not in _DISCONNECT:
        yield _unknown_value(f"{at}disconnect_policy", v1.DisconnectPolicy, "DISCONNECT_POLICY_")
    if request.request_id and not _REQUEST_ID.fullmatch(request.request_id):
        allowed = f"1 to {limits.REQUEST_ID} visible ASCII characters, best a UUID"
        yield FieldViolation(f"{at}request_id", f"should have {allowed}")
    yield from _messages(request, at)
    yield from _config(request.generation_config, f"{at}generation_config")
    yield from _labels(request, at)


def _messages(request: v1.CompletionRequest, at: str) -> Iterator[FieldViolation]:
    count = len(request.messages)
    if count == 0:
        yield FieldViolation(f"{at}messages", "is required: at least one message")
    if count > limits.MESSAGES:
        yield FieldViolation(f"{at}messages", f"has {count} messages; at most {limits.MESSAGES} are allowed")
        return
    for number, message in enumerate(request.messages):
        yield from _message(message, f"{at}messages[{number}]")


def _message(message: v1.Message, at: str) -> Iterator[FieldViolation]:
    if message.role not in _ROLES:
        yield _unknown_value(f"{at}.role", v1.Role, "ROLE_")
    if not message.parts:
        yield FieldViolation(f"{at}.parts", 'is required: at least one part, as in {text: "Hello"}')
    if len(message.parts) > limits.PARTS:
        yield FieldViolation(f"{at}.parts", f"has {len(message.parts)} parts; at most {limits.PARTS} are allowed")
        return
    for number, part in enumerate(message.parts):
        yield from _part(part, f"{at}.parts[{number}]", message.role)


def _part(part: v1.Part, at: str, role: v1.Role.ValueType) -> Iterator[FieldViolation]:
    match part.WhichOneof("content"):
        case None:
            yield FieldViolation(at, "is empty: set one of text, reasoning, refusal")
        case "text":
            if not part.text:
                yield FieldViolation(f"{at}.text", "should not be empty")
        case kind:
            if role != v1.ROLE_ASSISTANT:
                yield FieldViolation(f"{at}.{kind}", "is allowed only in messages of ROLE_ASSISTANT")


def _config(config: v1.GenerationConfig, at: str) -> Iterator[FieldViolation]:
    for name, (allowed, holds) in _RANGES.items():
        if config.HasField(name) and not holds(value := getattr(config, name)):  # type: ignore[arg-type]
            yield FieldViolation(f"{at}.{name}", f"is {value:g}; should be {allowed}")
    if config.top_logprobs and not config.include_logprobs:
        yield FieldViolation(f"{at}.top_logprobs", "needs include_logprobs")
    yield from _stops(config, f"{at}.stop_sequences")
    if config.HasField("response_format"):
        yield from _format(config.response_format, f"{at}.response_format")


def _stops(config: v1.GenerationConfig, at: str) -> Iterator[FieldViolation]:
    count = len(config.stop_sequences)
    if count > limits.STOP_SEQUENCES:
        yield FieldViolation(at, f"has {count} sequences; at most {limits.STOP_SEQUENCES} are allowed")
        return
    for number, stop in enumerate(config.stop_sequences):
        if not 1 <= len(stop) <= limits.STOP_SEQUENCE:
            yield FieldViolation(f"{at}[{number}]", f"should have 1 to {limits.STOP_SEQUENCE} characters")


def _format(wanted: v1.ResponseFormat, at: str) -> Iterator[FieldViolation]:
    match wanted.WhichOneof("format"):
        case None:
            yield FieldViolation(at, "is empty: set one of json_object, json_schema, grammar")
        case "json_schema":
            yield from _schema(wanted.json_schema.schema_json, f"{at}.json_schema.schema_json")
        case "grammar":
            if not 1 <= len(wanted.grammar) <= limits.SCHEMA:
                yield FieldViolation(f"{at}.grammar", f"should have 1 to {limits.SCHEMA} characters")


def _schema(text: str, at: str) -> Iterator[FieldViolation]:
    if len(text) > limits.SCHEMA:
        yield FieldViolation(at, f"has {len(text)} characters; at most {limits.SCHEMA} are allowed")
        return
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        yield FieldViolation(at, f"is no JSON{where}")
        return
    if not isinstance(schema, dict):
        yield FieldViolation(at, 'should be a JSON object, as in {"type": "object"}')


def _labels(request: v1.CompletionRequest, at: str) -> Iterator[FieldViolation]:
    if len(request.labels) > limits.LABELS:
        yield FieldViolation(f"{at}labels", f"has {len(request.labels)} labels; at most {limits.LABELS} are allowed")
    for key, value in sorted(request.labels.items()):
        if not _LABEL_KEY.fullmatch(key):
            shown = f"{at}labels[{key[:63]!r}]"
            yield FieldViolation(shown, "keys have 1 to 63 characters from a-z, 0-9, _ and -, starting with a letter")
        if len(value) > limits.LABEL_VALUE:
            yield FieldViolation(f"{at}labels[{key[:63]!r}]", f"values have at most {limits.LABEL_VALUE} characters")
        if "\0" in value:
            yield FieldViolation(f"{at}labels[{key[:63]!r}]", "values hold no NUL: not every store could keep it")


def _unknown_value(at: str, enum: object, prefix: str) -> FieldViolation:
    names = [name for name in enum.keys() if not name.endswith("UNSPECIFIED")]  # type: ignore[attr-defined]  # noqa: SIM118
    return FieldViolation(at, f"should be one of {', '.join(name.removeprefix(prefix) for name in names)}")
