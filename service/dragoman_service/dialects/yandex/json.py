"""Yandex's REST bodies: the JSON of the wire twins, as its programs write and read it."""

from __future__ import annotations

import http
import json
import re
from typing import Any, TypeVar

import orjson
from dragoman.dialect.yandex import v1 as y
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

from dragoman_service.dialects.http_status import http_status
from dragoman_service.dialects.yandex.struct import EXACT
from dragoman_service.errors import CompletionError, FieldViolation, invalid, malformed_request

_M = TypeVar("_M", bound=Message)
_UNKNOWN = re.compile(r'has no field named "(.*?)" at "\w+?(?:\.(.*?))?"', re.DOTALL)
_SAID = re.compile(r"Failed to parse (\w+) field: ")
_PACKAGE = f"{y.CompletionRequest.DESCRIPTOR.file.package}."
_LONGEST = 300  # characters


def read(body: bytes, message: _M) -> _M:
    """Fills `message` from JSON: names in either case, 64-bit numbers as numbers or strings.

    Raises MALFORMED_REQUEST, and INVALID_FIELD for names that there are not.
    """
    try:
        tree = orjson.loads(body)
    except orjson.JSONDecodeError as wrong:
        raise malformed_request(f"The body is no JSON: {wrong}.") from None
    if not isinstance(tree, dict):
        raise malformed_request("The body should be a JSON object.")
    try:
        return json_format.ParseDict(tree, message)
    except (json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError) as wrong:
        raise _misread(str(wrong)) from None


def written(message: Message) -> dict[str, Any]:
    """A message as JSON: 64-bit numbers are strings, and what is zero or false is there too."""
    tree: dict[str, Any] = json_format.MessageToDict(message, always_print_fields_with_no_presence=True)
    return {name: _whole(value) for name, value in tree.items()}


def line(response: y.CompletionResponse) -> bytes:
    """A streamed or whole answer: one JSON object a line."""
    return orjson.dumps({"result": written(response)}) + b"\n"


def operation_body(operation: y.Operation) -> bytes:
    """An operation: `done` and `metadata` are there in any case."""
    tree: dict[str, Any] = {
        "id": operation.id,
        "description": operation.description,
        "createdAt": operation.created_at.ToJsonString(),
        "createdBy": operation.created_by,
        "modifiedAt": operation.modified_at.ToJsonString(),
        "done": operation.done,
        "metadata": None,
    }
    match operation.WhichOneof("result"):
        case "response":
            answer = y.CompletionResponse.FromString(operation.response.value)
            tree["response"] = {"@type": operation.response.type_url, **written(answer)}
        case "error":
            tree["error"] = _status(operation.error)
    return orjson.dumps(tree)


def message_body(message: Message) -> bytes:
    """Any other answer."""
    return orjson.dumps(written(message))


def error_body(error: CompletionError, request_id: str) -> tuple[int, bytes]:
    """The HTTP status and the body of an error."""
    status = http_status(error)
    told = _status(error.status(request_id))
    phrase = "Client Closed Request" if status == 499 else http.HTTPStatus(status).phrase
    problem = {
        "grpcCode": told["code"],
        "httpCode": status,
        "message": told["message"],
        "httpStatus": phrase,
        "details": told["details"],
    }
    return status, orjson.dumps({"error": problem})


def terminal_error(error: CompletionError, request_id: str) -> bytes:
    """The line that a stream which fails ends with."""
    return error_body(error, request_id)[1] + b"\n"


def _whole(value: Any) -> Any:
    """Whole numbers without a point: a Struct knows only doubles."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= EXACT:
        return int(value)
    if isinstance(value, dict):
        return {name: _whole(inner) for name, inner in value.items()}
    return [_whole(inner) for inner in value] if isinstance(value, list) else value


def _status(status: Status) -> dict[str, Any]:
    tree: dict[str, Any] = json_format.MessageToDict(status)
    return {"code": status.code, "message": status.message, "details": tree.get("details", [])}


def _misread(said: str) -> CompletionError:
    unknown = _UNKNOWN.search(said)
    if unknown is not None:
        name, place = unknown.groups()
        path = f"{place}.{name}" if place else name
        return invalid(FieldViolation(path[:128], "is no field of this request: leave it out"))
    fields = [json.dumps(field) for field in _SAID.findall(said)]
    reason = _SAID.sub("", said).replace(_PACKAGE, "").strip(". \n")[:_LONGEST]
    return malformed_request(f"The body cannot be read{' at ' + '.'.join(fields) if fields else ''}: {reason}.")
