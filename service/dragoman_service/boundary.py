"""The boundary to plugins: what crosses it is checked here, once, so that everything behind it can rely on it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.errors import CompletionError, clean, malformed_answer

MAX_TOKENS = 1_000_000_000  # in each field of a usage
MAX_COST = 10**15  # billionths of a US dollar in a usage: a million dollars
MAX_END = 2 * 1024**2  # bytes of a finish reason with what the vendor adds to the message
MAX_FINDINGS = 256 * 1024  # bytes of one event with findings or citations
MAX_REASON = 512  # bytes of an exception's text in one line
MAX_LOGGED = 8 * 1024  # characters of an exception's text in the log
_MAX_CHAIN = 16  # exceptions of one chain that are looked at
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_COUNTS = (
    *("input_tokens", "output_tokens", "total_tokens"),
    *("cached_input_tokens", "cache_write_tokens", "reasoning_tokens"),
)
_OWN_CODES = frozenset({code_pb2.OK, code_pb2.CANCELLED, code_pb2.UNAUTHENTICATED})
_FINISH_REASONS = frozenset(v1.FinishReason.values())
_SAFETY_LEVELS = frozenset(v1.SafetyLevel.values())

FILTER_REASONS = frozenset(v1.ErrorReason.values()) - {
    v1.ERROR_REASON_UNSPECIFIED,
    v1.ERROR_REASON_MALFORMED_REQUEST,
    v1.ERROR_REASON_CREDENTIALS_MISSING,
    v1.ERROR_REASON_CREDENTIALS_INVALID,
    v1.ERROR_REASON_OPERATION_NOT_FOUND,
    v1.ERROR_REASON_REQUEST_ID_REUSED,
    v1.ERROR_REASON_OPERATION_EXISTS,
    v1.ERROR_REASON_SHUTTING_DOWN,
    v1.ERROR_REASON_STALLED_READER,
    v1.ERROR_REASON_WORKER_LOST,
    v1.ERROR_REASON_INTERNAL,
    v1.ERROR_REASON_OPERATIONS_UNAVAILABLE,
    v1.ERROR_REASON_CANCELLED,
}
"""The reasons that may come out of a filter: its own, those of the provider, and those of choosing a provider."""

PROVIDER_REASONS = FILTER_REASONS - {
    v1.ERROR_REASON_OVERLOADED,
    v1.ERROR_REASON_MODEL_NOT_ALLOWED,
    v1.ERROR_REASON_MODEL_NOT_FOUND,
    v1.ERROR_REASON_NO_PROVIDER_AVAILABLE,
    v1.ERROR_REASON_DEADLINE,
}
"""The reasons that a provider may raise. The others are the service's own: callers act on them as on its word."""


def read_error(fault: BaseException, reasons: frozenset[int]) -> tuple[CompletionError | None, str]:
    """The sound CompletionError that a plugin raised, if it did, and what was wrong with what it raised (or "").

    `reasons` are those that the plugin may use. An error with a reason or code of the service's own is none.
    """
    error = CompletionError.of(fault)
    if error is None:
        return None, "raised an exception that is no error with code and reason"
    if error.reason not in reasons or error.code in _OWN_CODES:
        name = f"{code_pb2.Code.Name(error.code)} {error.reason_name}"
        return None, f"raised {name}, which only the service itself may raise"
    if error.retry_after is None and _attribute(fault, "retry_after") is not None:
        return error, "raised an error whose retry_after is not a number of seconds"
    return error, ""


_OURS = ("started", "attempt", "heartbeat")


def check_event(event: object, *, started: bool = False) -> None:
    """Raises PROVIDER_MALFORMED for what must not come from a plugin. `started`: those of the service may come too,
    as they do out of a filter."""
    if not isinstance(event, v1.CompletionEvent):
        raise malformed_answer(f"sent an object of type {type(event).__name__[:64]} instead of an event")
    kind = event.WhichOneof("event")
    if kind == "delta":  # first, because almost all are
        return
    if kind == "usage":
        _check_usage(event.usage)
    elif kind == "choice_finished":
        if event.choice_finished.finish_reason not in _FINISH_REASONS:
            raise malformed_answer(f"sent the unknown finish reason {event.choice_finished.finish_reason}")
        if event.choice_finished.ByteSize() > MAX_END:
            raise malformed_answer(f"sent more than {MAX_END} bytes with a finish reason")
    elif kind == "safety":
        _check_safety(event.safety)
    elif kind == "citations":
        if event.citations.ByteSize() > MAX_FINDINGS:
            raise malformed_answer(f"sent more than {MAX_FINDINGS} bytes of citations at a time")
    elif kind not in _OURS or not started:
        raise malformed_answer(f"sent {kind or 'an empty event'} within an answer")


def _check_safety(report: v1.SafetyReport) -> None:
    if report.ByteSize() > MAX_FINDINGS:
        raise malformed_answer(f"sent more than {MAX_FINDINGS} bytes of findings at a time")
    for rating in report.assessment.ratings:
        if rating.HasField("score") and not 0 <= rating.score <= 1:
            raise malformed_answer("sent a safety rating with a score that is not between 0 and 1")
        if rating.level not in _SAFETY_LEVELS:
            raise malformed_answer(f"sent the unknown safety level {rating.level}")


def _check_usage(usage: v1.Usage) -> None:
    for name in _COUNTS:
        if not 0 <= getattr(usage, name) <= MAX_TOKENS:
            raise malformed_answer(f"reported {getattr(usage, name)} {name}")
    if not 0 <= usage.cost_nano_usd <= MAX_COST:
        raise malformed_answer(f"reported a cost of {usage.cost_nano_usd} billionths of a US dollar")


def is_cancellation(fault: BaseException) -> bool:
    """Whether `fault` stops the current task, or closes the current generator, and was not raised by a plugin."""
    if isinstance(fault, GeneratorExit):
        return True
    task = asyncio.current_task() if isinstance(fault, asyncio.CancelledError) else None
    return task is not None and task.cancelling() > 0


def describe(fault: BaseException) -> str:
    """An exception of a plugin in one short line: its type, and its message if it has one."""
    text = clean(" ".join(_text(fault)[: 4 * MAX_REASON].split()), MAX_REASON)
    return f"{type(fault).__name__}: {text}" if text else type(fault).__name__


def loggable(fault: BaseException) -> BaseException:
    """The exception for the log: itself, or one with its type, its traceback and the printable start of its text."""
    if all(len(text) <= MAX_LOGGED and not _UNPRINTABLE.search(text) for text in map(_text, _chain(fault))):
        return fault
    return RuntimeError(describe(fault)).with_traceback(fault.__traceback__)


def _chain(fault: BaseException) -> Iterator[BaseException]:
    following: BaseException | None = fault
    for _ in range(_MAX_CHAIN):
        if following is None:
            return
        yield following
        following = following.__cause__ or following.__context__


def _text(fault: BaseException) -> str:
    try:
        return str(fault)
    except BaseException as worse:  # noqa: BLE001 - the method is the plugin's
        return f"(its text raised {type(worse).__name__})"


def _attribute(fault: BaseException, name: str) -> object:
    try:
        return getattr(fault, name, None)
    except BaseException:  # noqa: BLE001 - the property is the plugin's
        return None
