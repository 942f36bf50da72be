"""Yandex's REST bodies: the JSON form of the wire twins, as the vendor's programs write and read it."""

from __future__ import annotations

import http
from typing import Any

import orjson
from dragoman.dialect.yandex import v1 as y
from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.status_pb2 import Status

from dragoman_service.dialects.contract import HttpErrorResponse
from dragoman_service.dialects.http_errors import error_response, http_status
from dragoman_service.dialects.message_json import whole
from dragoman_service.errors import CompletionError


def json_tree(message: Message) -> dict[str, Any]:
    """A message as a JSON object: 64-bit integers are strings, and fields that are zero or false are present."""
    tree: dict[str, Any] = json_format.MessageToDict(message, always_print_fields_with_no_presence=True)
    return {name: _integers(value) for name, value in tree.items()}


def result_line(response: y.CompletionResponse) -> bytes:
    """A complete answer, or a piece of a streamed one: a JSON object on a line of its own."""
    return orjson.dumps({"result": json_tree(response)}) + b"\n"


def encode_operation(operation: y.Operation) -> bytes:
    """An operation. `done` and `metadata` are always present."""
    tree: dict[str, Any] = {
        "id": operation.id,
        "description": operation.description,
        "createdAt": _date(operation.created_at),
        "createdBy": operation.created_by,
        "modifiedAt": _date(operation.modified_at),
        "done": operation.done,
        "metadata": None,
    }
    match operation.WhichOneof("result"):
        case "response":
            response = y.CompletionResponse.FromString(operation.response.value)
            tree["response"] = {"@type": operation.response.type_url, **json_tree(response)}
        case "error":
            tree["error"] = _status(operation.error)
    return orjson.dumps(tree)


def _date(time: Timestamp) -> str:
    """A date as the vendor writes it, in whole seconds, because scripts parse it so."""
    return Timestamp(seconds=time.seconds).ToJsonString()


def encode(message: Message) -> bytes:
    """Any other message."""
    return orjson.dumps(json_tree(message))


def encode_error(error: CompletionError, call_id: str) -> HttpErrorResponse:
    """An error in place of an answer."""
    status, fields = http_status(error), _status(error.status(call_id))
    phrase = "Client Closed Request" if status == 499 else http.HTTPStatus(status).phrase
    problem = {
        "grpcCode": fields["code"],
        "httpCode": status,
        "message": fields["message"],
        "httpStatus": phrase,
        "details": fields["details"],
    }
    return error_response(error, orjson.dumps({"error": problem}))


def _integers(value: Any) -> Any:
    """`value` with whole numbers written without a decimal point: a Struct holds only doubles."""
    if isinstance(value, float):
        return whole(value)
    if isinstance(value, dict):
        return {name: _integers(inner) for name, inner in value.items()}
    return [_integers(inner) for inner in value] if isinstance(value, list) else value


def _status(status: Status) -> dict[str, Any]:
    tree: dict[str, Any] = json_format.MessageToDict(status)
    return {"code": status.code, "message": status.message, "details": tree.get("details", [])}
