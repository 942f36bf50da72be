"""The script of `echo`: the table of its settings, and what a request may override."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Protocol

from dragoman import v1
from google.rpc import code_pb2
from pydantic import BeforeValidator, Field, ValidationError

from dragoman_service.contract import FieldViolation, invalid
from dragoman_service.settings.errors import mistakes_of
from dragoman_service.settings.types import Duration, Section

MARK = "echo:"
_INSTRUCTIONS = (v1.ROLE_SYSTEM, v1.ROLE_DEVELOPER)


class _Enum(Protocol):
    def keys(self) -> list[str]: ...

    def Value(self, name: str) -> int: ...


def _named(enum: _Enum, prefix: str = "") -> Callable[[object], object]:
    """Parses the name of an enum value, without `prefix`, into its number. The zero value is not allowed."""
    names = [name.removeprefix(prefix) for name in enum.keys() if enum.Value(name)]  # noqa: SIM118 - no mapping

    def read(value: object) -> object:
        if value not in names:
            raise ValueError(f"must be one of {', '.join(names)}")
        return enum.Value(f"{prefix}{value}")

    return read


_FinishReason = Annotated[int, BeforeValidator(_named(v1.FinishReason, "FINISH_REASON_"))]
_Code = Annotated[int, BeforeValidator(_named(code_pb2.Code))]
_Reason = Annotated[int, BeforeValidator(_named(v1.ErrorReason, "ERROR_REASON_"))]


class EchoCall(Section):
    """A tool call of `echo`."""

    name: str = Field(min_length=1)
    """The name of the function."""
    arguments: dict[str, object] | str = Field(default_factory=dict)
    """The arguments: an object, or a string that is sent as it is and need not be valid JSON."""
    id: str = ""
    """The id of the call. Empty: the service assigns one."""


class EchoSettings(Section):
    """How `echo` answers: all requests by the table `[providers.NAME]`, one request by its script."""

    text: str | None = None
    """The text of the answer. None: the text of the last message of ROLE_USER or ROLE_TOOL."""
    reasoning: str = ""
    """The reasoning before the text."""
    reasoning_state: str = ""
    """The state of the part with the reasoning, in place of a signature. Empty: none."""
    refusal: str = ""
    """A refusal in place of `text`. Empty: none."""
    tool_calls: list[EchoCall] = Field(default_factory=list)
    """The tool calls that it makes if a request has tools, until it receives their results."""
    chunk_size: int = Field(1, ge=1)
    """Tokens per delta."""
    first_delay: Duration = 0.0
    """The delay before the first delta."""
    delay: Duration = 0.0
    """The delay before every other delta."""
    finish_reason: _FinishReason | None = None
    """The finish reason, unless a stop sequence or `max_output_tokens` ends the answer. It is a name of FinishReason
    without its prefix. None: STOP, REFUSAL with a refusal, or TOOL_CALLS with tool calls."""
    fail_after: int | None = Field(None, ge=0)
    """The number of deltas after which it fails, or fewer if the answer has fewer. None: it does not fail."""
    fail_code: _Code = code_pb2.UNAVAILABLE
    """A name of google.rpc.Code."""
    fail_reason: _Reason = v1.ERROR_REASON_PROVIDER_UNAVAILABLE
    """A name of ErrorReason without its prefix."""
    fail_retry_after: Duration | None = None
    """The delay after which callers may retry. None: the error is not retryable."""
    cached_input_tokens: int = Field(0, ge=0)
    """Tokens of the prompt that it says it read from a cache."""
    cache_write_tokens: int = Field(0, ge=0)
    """Tokens of the prompt that it says it wrote to a cache."""
    usage: bool = True
    """Whether it reports usage."""
    logprob: float = Field(0.0, le=0, allow_inf_nan=False)
    """The log probability of each token, if a request asks for it."""


def script_of(request: v1.CompletionRequest, settings: EchoSettings) -> EchoSettings:
    """`settings`, overridden by the scripts in the request's instructions. Raises INVALID_FIELD for a bad script."""
    for index, message in enumerate(request.messages):
        if message.role in _INSTRUCTIONS and is_script(text := text_of(message)):
            settings = _over(settings, text[len(MARK) :], f"messages[{index}]")
    return settings


def is_script(text: str) -> bool:
    return text.startswith(MARK)


def text_of(message: v1.Message) -> str:
    """The text parts, tool results and names of files of a message, each on a line of its own."""
    return "\n".join(text for part in message.parts if (text := _shown(part)) is not None)


def _shown(part: v1.Part) -> str | None:
    match part.WhichOneof("content"):
        case "text":
            return part.text
        case "tool_result":
            return part.tool_result.text
        case "blob":
            return f"[{part.blob.media_type} of {len(part.blob.data)} bytes]"
        case "file":
            return f"[{part.file.uri or part.file.id}]"
    return None


def _over(settings: EchoSettings, script: str, path: str) -> EchoSettings:
    try:
        script_settings = EchoSettings.model_validate_json(script)
    except ValidationError as error:
        mistakes = mistakes_of(error, EchoSettings)
        raise invalid(
            *(FieldViolation(path, f"must hold a script of echo as a JSON object: {mistake}") for mistake in mistakes)
        ) from None
    return settings.model_copy(
        update={name: getattr(script_settings, name) for name in script_settings.model_fields_set}
    )
