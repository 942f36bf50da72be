"""What the headers of a request say: its encoding, its deadline, what becomes of unknown fields, where to go on."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dragoman_service.contract import CompletionError, FieldViolation, invalid
from dragoman_service.dialects.connect.errors import encode_error
from dragoman_service.dialects.connect.streams import CONNECT
from dragoman_service.dialects.contract import HttpErrorResponse
from dragoman_service.errors import malformed_request
from dragoman_service.transport.http.call import JSON, media_type
from dragoman_service.transport.http.guard import EncodeError
from dragoman_service.transport.http.http1.request import Request

PROTO = "application/proto"
CONTENT_TYPES = (JSON, PROTO, *CONNECT)
TIMEOUT, VERSION = "connect-timeout-ms", "connect-protocol-version"
UNKNOWN_FIELDS = "x-dragoman-unknown-fields"
LAST_EVENT = "last-event-id"


def timeout_of(headers: Mapping[str, str]) -> float | None:
    """The seconds that the caller waits; None if it does not say. Raises INVALID_FIELD."""
    if headers.get(VERSION, "1") != "1":
        raise invalid(FieldViolation(VERSION, "must be 1, the only version of Connect's protocol"))
    value = headers.get(TIMEOUT)
    if value is None:
        return None
    if not re.fullmatch("[0-9]{1,10}", value):
        raise invalid(FieldViolation(TIMEOUT, "must be a number of milliseconds with at most ten digits"))
    return int(value) / 1000


def ignores_unknown(headers: Mapping[str, str]) -> bool:
    """Whether fields that the request does not have are ignored. Raises INVALID_FIELD."""
    value = headers.get(UNKNOWN_FIELDS, "reject").lower()
    if value not in ("reject", "ignore"):
        raise invalid(FieldViolation(UNKNOWN_FIELDS, "must be reject or ignore"))
    return value == "ignore"


def last_event(headers: Mapping[str, str]) -> int | None:
    """The number of the last event that a reader of server-sent events has; None if it does not say.

    Raises INVALID_FIELD.
    """
    value = headers.get(LAST_EVENT)
    if not value:
        return None
    if not re.fullmatch("[0-9]{1,18}", value):
        raise invalid(FieldViolation(LAST_EVENT, "must be the id of the last event that was received"))
    return int(value)


def error_encoder(request: Request) -> EncodeError:
    """The encoder for errors in place of an answer. Connect's streams have status 200: their end says what failed."""
    form = CONNECT.get(media_type(request))
    if form is None:
        return encode_error

    def encode(error: CompletionError, call_id: str) -> HttpErrorResponse:
        body, alike = b"".join(form.fail(error, call_id)), encode_error(error, call_id)
        return HttpErrorResponse(200, body, alike.headers, form.content_type)

    return encode


def wrong_type(content_type: str) -> CompletionError:
    """MALFORMED_REQUEST for a body whose type the method does not take."""
    told = f"This method takes no {content_type}. " if content_type in CONTENT_TYPES else ""
    return malformed_request(f"{told}Send JSON, with the header `content-type: application/json`.")
