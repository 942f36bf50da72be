"""The one error of the service, and its form on the wire: google.rpc.Status.

Below the frontends every failure is a `CompletionError`. A plugin that does not import this module may raise any
exception with the attributes `code` and `reason`; `CompletionError.of` reads them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from dragoman import v1
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2
from google.rpc.status_pb2 import Status

DOMAIN = "dragoman"
PUSHBACK = "grpc-retry-pushback-ms"
"""The trailer with `CompletionError.pushback`."""
# gRPC drops trailers over 8 KiB at random. The message is sent twice: in grpc-message, where a byte that is not ASCII
# takes three bytes, and in the status, where base64 turns three bytes into four.
MAX_MESSAGE = 768  # bytes
MAX_STATUS = 4096  # bytes
MAX_VIOLATIONS = 32
OVERLOAD_DELAY = (1.0, 3.0)  # seconds: at random between these, so that not all callers return at once
DEFAULT_RETRY_AFTER = 1.0  # seconds, if a retryable failure of a provider names no delay
MAX_RETRY_AFTER = 10 * 365 * 24 * 3600.0  # seconds
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_PREFIX = "ERROR_REASON_"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """A wrong field: its path in the request, and what is allowed there."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class QuotaViolation:
    """A limit that a request exceeds: what it limits, such as `key/requests/minute`, and the limit in words."""

    subject: str
    description: str


@dataclass(slots=True, eq=False)
class CompletionError(Exception):
    """Why a request failed.

    `code` is a number of google.rpc.Code, `reason` a number of ErrorReason. `message` tells the caller what to do; it
    must contain neither secrets nor the text of exceptions. `retryable` says whether the same request may succeed
    elsewhere or later; `retry_after` is in seconds, and None if it was not from 0 to `MAX_RETRY_AFTER`. `quota` are the
    limits that are used up. `repeatable`: the service may repeat the request itself, once, if its caller has seen
    nothing of the answer.
    """

    code: int
    reason: v1.ErrorReason.ValueType
    message: str
    retryable: bool = False
    retry_after: float | None = None
    fields: tuple[FieldViolation, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    resource: str = ""
    repeatable: bool = False
    quota: tuple[QuotaViolation, ...] = ()

    def __post_init__(self) -> None:
        self.retry_after = _delay(self.retry_after)

    def __str__(self) -> str:
        return f"{code_pb2.Code.Name(self.code)} {self.reason_name}: {self.message}"

    @property
    def reason_name(self) -> str:
        """The reason as ErrorInfo has it, such as `INVALID_FIELD`."""
        return v1.ErrorReason.Name(self.reason).removeprefix(_PREFIX)

    @property
    def pushback(self) -> int | None:
        """The milliseconds after which clients should retry; -1: never; None: the client decides."""
        if not self.retryable:
            return -1 if self.code in (code_pb2.UNAVAILABLE, code_pb2.RESOURCE_EXHAUSTED) else None
        if self.retry_after is None:
            return None
        return max(1, round(self.retry_after * 1000))  # at 0 ms clients built on gRPC Core hang and never retry

    def with_metadata(self, **more: str) -> CompletionError:
        """The same error with `more` added to its metadata. Keys that it already has stay as they are."""
        return replace(self, metadata={**more, **self.metadata})

    def status(self, call_id: str) -> Status:
        """The error on the wire: ErrorInfo always, and the other details where they apply."""
        fields = self.fields[:MAX_VIOLATIONS]
        status = self._status(call_id, fields)
        while status.ByteSize() > MAX_STATUS and fields:
            fields = fields[:-1]
            status = self._status(call_id, fields)
        return status

    def _status(self, call_id: str, fields: tuple[FieldViolation, ...]) -> Status:
        details: list[Message] = [self._info(call_id)]
        if self.retry_after is not None:
            delay = Duration()
            delay.FromMilliseconds(round(self.retry_after * 1000))
            details.append(error_details_pb2.RetryInfo(retry_delay=delay))
        if fields:
            violations = [
                error_details_pb2.BadRequest.FieldViolation(
                    field=_cut(f.field, 128), description=_cut(f.description, 256)
                )
                for f in fields
            ]
            details.append(error_details_pb2.BadRequest(field_violations=violations))
        if self.quota:
            exceeded = [
                error_details_pb2.QuotaFailure.Violation(
                    subject=_cut(one.subject, 128), description=_cut(one.description, 256)
                )
                for one in self.quota[:8]
            ]
            details.append(error_details_pb2.QuotaFailure(violations=exceeded))
        if self.resource:
            details.append(error_details_pb2.ResourceInfo(resource_name=_cut(self.resource, 256)))
        return Status(code=self.code, message=_cut(self.message, MAX_MESSAGE), details=[_pack(d) for d in details])

    def _info(self, call_id: str) -> error_details_pb2.ErrorInfo:
        metadata = {key: _cut(value, 256) for key, value in list(self.metadata.items())[:8]}
        metadata |= {"call_id": call_id, "retryable": str(self.retryable).lower()}
        return error_details_pb2.ErrorInfo(reason=self.reason_name, domain=DOMAIN, metadata=metadata)

    @classmethod
    def of(cls, error: BaseException) -> CompletionError | None:
        """A sound copy of `error` if it is a CompletionError or has the attributes of one, otherwise None.

        Nothing in the copy depends on code of the error's class. Texts are short and printable.
        """
        given = _attributes(error)
        code, reason = _number(given["code"]), _number(given["reason"])
        if code not in code_pb2.Code.values() or code == code_pb2.OK or reason not in v1.ErrorReason.values():
            return None
        metadata, fields = given["metadata"], given["fields"]
        return cls(
            int(code),
            v1.ErrorReason.ValueType(reason),
            clean(given["message"] or given["text"], MAX_MESSAGE),
            retryable=given["retryable"] is True,
            retry_after=_delay(given["retry_after"]),
            fields=_violations(fields) if isinstance(fields, tuple | list) else (),
            metadata=_entries(metadata) if isinstance(metadata, dict) else {},
            resource=clean(given["resource"], 256),
            repeatable=given["repeatable"] is True,
        )


def invalid(*fields: FieldViolation) -> CompletionError:
    """INVALID_FIELD for one or more wrong fields; the message describes the first five."""
    shown = "; ".join(f"{f.field}: {f.description}" for f in fields[:5])
    more = f"; and {len(fields) - 5} more" if len(fields) > 5 else ""
    return CompletionError(code_pb2.INVALID_ARGUMENT, v1.ERROR_REASON_INVALID_FIELD, shown + more, fields=fields)


def malformed_request(message: str) -> CompletionError:
    """MALFORMED_REQUEST: what was received cannot be read as a request."""
    return CompletionError(code_pb2.INVALID_ARGUMENT, v1.ERROR_REASON_MALFORMED_REQUEST, message)


def malformed_answer(what: str) -> CompletionError:
    """PROVIDER_MALFORMED. `what` completes a sentence that starts with "The provider"."""
    return CompletionError(code_pb2.INTERNAL, v1.ERROR_REASON_PROVIDER_MALFORMED, f"The provider {what}.")


def broken_answer() -> CompletionError:
    """PROVIDER_STREAM_BROKEN: the provider's answer ended before it was complete."""
    return CompletionError(
        code_pb2.UNAVAILABLE,
        v1.ERROR_REASON_PROVIDER_STREAM_BROKEN,
        "The provider's answer broke off before its end. What was received of it is incomplete.",
    )


def restarted_answer(repeat_with: str = "") -> CompletionError:
    """WORKER_LOST: the answer began anew after a part of it was sent, in a dialect that cannot take text back.

    `repeat_with` names what makes a second request the same one, such as a header. Default: the dialect has none.
    """
    same = f" with the same {repeat_with}" if repeat_with else ""
    return CompletionError(
        code_pb2.ABORTED,
        v1.ERROR_REASON_WORKER_LOST,
        f"The answer was restarted and its text has changed. Send the request again{same}.",
        retryable=True,
    )


def internal() -> CompletionError:
    """INTERNAL: an error of the service. The caller learns only where to look in the log."""
    return CompletionError(
        code_pb2.INTERNAL,
        v1.ERROR_REASON_INTERNAL,
        "The service failed. Its log has the cause under the call_id of this error.",
    )


def overloaded(why: str) -> CompletionError:
    """OVERLOADED: the service refuses a call because it has too much to do. `why` is one sentence."""
    delay = random.uniform(*OVERLOAD_DELAY)  # noqa: S311 - spreads the callers that come back
    message = f"{why} Try again after the delay in RetryInfo."
    return CompletionError(code_pb2.UNAVAILABLE, v1.ERROR_REASON_OVERLOADED, message, retryable=True, retry_after=delay)


def shutting_down() -> CompletionError:
    """SHUTTING_DOWN: this server ends, another one may answer."""
    return CompletionError(
        code_pb2.UNAVAILABLE,
        v1.ERROR_REASON_SHUTTING_DOWN,
        "The server is shutting down. Send the request again.",
        retryable=True,
        retry_after=1.0,
    )


def too_many_hops() -> CompletionError:
    """TOO_MANY_HOPS: Dragoman services pass a request around in a circle."""
    return CompletionError(
        code_pb2.FAILED_PRECONDITION,
        v1.ERROR_REASON_TOO_MANY_HOPS,
        "The request passed through too many Dragoman services: the address of a provider leads back to where the "
        "request came from. The operator has to correct the addresses of the providers.",
    )


def drop_tracebacks(error: BaseException) -> None:
    """Frees what the frames of an error hold, once it has been told: the request, the answer, and often the error
    itself, in a circle that would wait for the garbage collector."""
    told: BaseException | None = error
    while told is not None and told.__traceback__ is not None:
        told.__traceback__ = None
        told = told.__cause__ or told.__context__


def clean(text: object, most: int) -> str:
    """The text without control characters and surrogates, in at most `most` bytes of UTF-8; "" if it is no string."""
    return _cut(_CONTROL.sub(" ", text[: most + 1]), most) if isinstance(text, str) else ""


def _attributes(error: BaseException) -> dict[str, object]:
    """What an error of unknown origin has of a CompletionError, and its text."""
    names = ("code", "reason", "message", "retryable", "retry_after", "fields", "metadata", "resource", "repeatable")
    found: dict[str, object] = dict.fromkeys((*names, "text"))
    for name in names:
        with suppress(BaseException):  # a property of a plugin's class may raise anything
            found[name] = getattr(error, name, None)
    if not found["message"]:
        with suppress(BaseException):
            found["text"] = str(error)
    return found


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _delay(value: object) -> float | None:
    """The seconds of a retry_after; None for what is no time to wait."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= MAX_RETRY_AFTER else None  # NaN is neither


def _entries(metadata: dict[object, object]) -> dict[str, str]:
    entries = [(clean(key, 64), clean(value, 256)) for key, value in list(metadata.items())[:8]]
    return {key: value for key, value in entries if key}


def _violations(fields: tuple[object, ...] | list[object]) -> tuple[FieldViolation, ...]:
    return tuple(
        FieldViolation(clean(f.field, 128), clean(f.description, 256))
        for f in fields[:MAX_VIOLATIONS]
        if isinstance(f, FieldViolation)
    )


def _pack(message: Message) -> Any:
    packed = Any()
    packed.Pack(message)
    return packed


def _cut(text: str, most: int) -> str:
    """The text, cut to `most` bytes of UTF-8."""
    raw = text.encode(errors="replace")
    return raw.decode() if len(raw) <= most else raw[: most - 3].decode(errors="ignore") + "…"
