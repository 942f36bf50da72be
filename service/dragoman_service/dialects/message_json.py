"""Messages as JSON, in the mapping that protobuf defines."""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

import orjson
from google.protobuf import json_format, struct_pb2
from google.protobuf.message import Message

from dragoman_service.errors import CompletionError, FieldViolation, invalid, malformed_request

M = TypeVar("M", bound=Message)
# The texts of json_format's errors, the only place where it tells which field is wrong.
_UNKNOWN_FIELD = re.compile(r'has no field named "(.*?)" at "\w+?(?:\.(.*?))?"', re.DOTALL)
_FAILED_FIELD = re.compile(r"Failed to parse (\w+) field: ")
_MAX_REASON = 300  # characters of such a text that the caller sees
_EXACT = 2**53  # a double represents every integer up to here


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object in the body of a request. Raises MALFORMED_REQUEST."""
    try:
        tree = orjson.loads(body)
    except orjson.JSONDecodeError as wrong:
        raise malformed_request(f"The body is not valid JSON: {wrong}.") from None
    if not isinstance(tree, dict):
        raise malformed_request("The body must be a JSON object.")
    return tree


def decode_message(body: bytes, message: M, *, ignore_unknown: bool = False) -> M:
    """Fills `message` from JSON: names in camelCase or snake_case, 64-bit integers as numbers or strings.

    Raises MALFORMED_REQUEST; INVALID_FIELD for an unknown name, unless `ignore_unknown`.
    """
    tree = json_object(body)
    try:
        return json_format.ParseDict(tree, message, ignore_unknown_fields=ignore_unknown)
    except (json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError) as wrong:
        raise _undecodable(str(wrong), f"{message.DESCRIPTOR.file.package}.") from None


def encode_message(message: Message) -> bytes:
    """The message in one line: names in camelCase, 64-bit integers as strings, unset fields left out."""
    return orjson.dumps(json_format.MessageToDict(message))


def whole(number: float) -> float:
    """A number of a Struct, which holds only doubles: an integer if it is one and is exact."""
    return int(number) if number.is_integer() and abs(number) <= _EXACT else number


def plain_value(value: struct_pb2.Value) -> Any:
    """The value of a Struct as JSON has it, with its numbers as `whole` returns them."""
    match value.WhichOneof("kind"):
        case "number_value":
            return whole(value.number_value)
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return {key: plain_value(inner) for key, inner in value.struct_value.fields.items()}
        case "list_value":
            return [plain_value(inner) for inner in value.list_value.values]
    return None


def _undecodable(problem: str, package: str) -> CompletionError:
    unknown = _UNKNOWN_FIELD.search(problem)
    if unknown is not None:
        name, place = unknown.groups()
        path = f"{place}.{name}" if place else name
        return invalid(FieldViolation(path[:128], "is not a field of this request: leave it out"))
    fields = [json.dumps(field) for field in _FAILED_FIELD.findall(problem)]
    reason = _FAILED_FIELD.sub("", problem).replace(package, "").strip(". \n")[:_MAX_REASON]
    return malformed_request(f"The body cannot be decoded{' at ' + '.'.join(fields) if fields else ''}: {reason}.")
