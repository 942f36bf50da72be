"""Converts google.protobuf.Value, the value of complete predictions, to plain Python values and back."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format, struct_pb2

_EXACT = 2**53  # a double represents every integer up to here


def plain_of(value: struct_pb2.Value) -> Any:
    """The value of a message. Whole numbers are integers, because it holds only doubles."""
    match value.WhichOneof("kind"):
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() and abs(number) <= _EXACT else number
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return {key: plain_of(inner) for key, inner in value.struct_value.fields.items()}
        case "list_value":
            return [plain_of(inner) for inner in value.list_value.values]
    return None


def value_of(plain: Any) -> struct_pb2.Value:
    """A value as a message."""
    return json_format.ParseDict(plain, struct_pb2.Value())
