"""What `echo` is told to do: the table of its settings, and the script that a request may carry."""

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
    """Reads the number of an enum's value from its name without `prefix`; the zero value is not allowed."""
    names = [name.removeprefix(prefix) for name in enum.keys() if enum.Value(name)]  # noqa: SIM118 - no mapping

    def read(value: object) -> object:
        if value not in names:
            raise ValueError(f"should be one of {', '.join(names)}")
        return enum.Value(f"{prefix}{value}")

    return read


_FinishReason = Annotated[int, BeforeValidator(_named(v1.FinishReason, "FINISH_REASON_"))]
_Code = Annotated[int, BeforeValidator(_named(code_pb2.Code))]
_Reason = Annotated[int, BeforeValidator(_named(v1.ErrorReason, "ERROR_REASON_"))]


class EchoCall(Section):
    """A tool call that `echo` makes."""

    name: str = Field(min_length=1)
    """The function that is called."""
    arguments: dict[str, object] | str = Field(default_factory=dict)
    """The arguments: an object, or a text that is said as it is, which need be no JSON."""
    id: str = ""
    """Id of the call. Empty: the service gives one."""


class EchoSettings(Section):
    """How `echo` answers. The table `[providers.NAME]` holds it for all requests, a script for one."""

    text: str | None = None
    """What it says; the text of the last message of ROLE_USER if None."""
    reasoning: str = ""
    """What it thinks before it speaks."""
    refusal: str = ""
    """If not empty, it is said as a refusal in place of `text`."""
    tool_calls: list[EchoCall] = Field(default_factory=list)
    """Tools that it calls where a request offers tools, until it is told what came of that."""
    chunk_size: int = Field(1, ge=1)
    """Tokens in each delta."""
    first_delay: Duration = 0.0
    """Time before the first delta."""
    delay: Duration = 0.0
    """Time before every other delta."""
    finish_reason: _FinishReason | None = None
    """Why it stops, unless a stop sequence or `max_output_tokens` stops it: a name of FinishReason without its prefix.
    None: STOP, REFUSAL with a refusal, or TOOL_CALLS with tool calls."""
    fail_after: int | None = Field(None, ge=0)
    """Deltas after which it fails, or fewer if the answer has fewer; None: it does not fail."""
    fail_code: _Code = code_pb2.UNAVAILABLE
    """A name of google.rpc.Code."""
    fail_reason: _Reason = v1.ERROR_REASON_PROVIDER_UNAVAILABLE
    """A name of ErrorReason without its prefix."""
    fail_retry_after: Duration | None = None
    """When a caller should come back; None: it is not said, and the failure is final."""
    usage: bool = True
    """Whether it tells what was used."""
    logprob: float = Field(0.0, le=0, allow_inf_nan=False)
    """Logarithm of the probability of each token, where a request asks for it."""


def script_of(request: v1.CompletionRequest, settings: EchoSettings) -> EchoSettings:
    """`settings`, and over them the scripts in the request's instructions. Raises INVALID_FIELD for a bad script."""
    for index, message in enumerate(request.messages):
        if message.role in _INSTRUCTIONS and is_script(text := text_of(message)):
            settings = _over(settings, text[len(MARK) :], f"messages[{index}]")
    return settings


def is_script(text: str) -> bool:
    return text.startswith(MARK)


def text_of(message: v1.Message) -> str:
    """The text parts and tool results of a message, joined."""
    return "".join(part.text or part.tool_result.text for part in message.parts)


def _over(settings: EchoSettings, script: str, path: str) -> EchoSettings:
    try:
        told = EchoSettings.model_validate_json(script)
    except ValidationError as error:
        mistakes = mistakes_of(error, EchoSettings)
        raise invalid(
            *(FieldViolation(path, f"script of echo, a JSON object: {mistake}") for mistake in mistakes)
        ) from None
    return settings.model_copy(update={name: getattr(told, name) for name in told.model_fields_set})
