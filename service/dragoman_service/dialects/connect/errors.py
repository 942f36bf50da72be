"""Errors as Connect's clients read them: a word for the code, and the details in binary with a JSON form beside it."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import orjson
from google.protobuf import any_pb2, json_format
from google.rpc import code_pb2

from dragoman_service.dialects.contract import HttpErrorResponse
from dragoman_service.dialects.http_errors import error_response
from dragoman_service.errors import PUSHBACK, CompletionError

_CANCELED = "canceled"  # Connect's spelling, with one l


def encode_error(error: CompletionError, call_id: str) -> HttpErrorResponse:
    """An error in place of an answer."""
    response = error_response(error, orjson.dumps(error_tree(error, call_id)))
    return replace(response, headers={**response.headers, **trailers_of(error)})


def trailers_of(error: CompletionError) -> dict[str, str]:
    """What clients with a retry policy read beside the error: headers, or the metadata at the end of a stream."""
    return {} if error.pushback is None else {PUSHBACK: str(error.pushback)}


def error_tree(error: CompletionError, call_id: str) -> dict[str, Any]:
    """The error as a JSON object."""
    status = error.status(call_id)
    code = _CANCELED if status.code == code_pb2.CANCELLED else code_pb2.Code.Name(status.code).lower()
    return {"code": code, "message": status.message, "details": [_detail(detail) for detail in status.details]}


def _detail(detail: any_pb2.Any) -> dict[str, Any]:
    """One detail. `debug` is for people and scripts; clients decode `value`, which has no padding."""
    name = detail.type_url.rpartition("/")[2]
    value = base64.b64encode(detail.value).decode().rstrip("=")
    debug = json_format.MessageToDict(detail)
    debug.pop("@type")
    return {"type": name, "value": value, "debug": debug}
