"""Between google.protobuf.Struct and JSON text."""

from __future__ import annotations

import json
import math
from typing import Any

from google.protobuf import struct_pb2

EXACT = 2**53  # a double holds every whole number up to here


def json_of(struct: struct_pb2.Struct) -> str:
    """The struct as JSON text, the same for equal structs: they keep no order of their keys."""
    return json.dumps(_plain_fields(struct), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def struct_of(text: str) -> struct_pb2.Struct:
    """The JSON object in `text`; nothing is an empty one. Raises ValueError for what a struct cannot hold."""
    try:
        value = json.loads(text or "{}", parse_constant=_refuse, parse_float=_finite)
        if not isinstance(value, dict):
            raise ValueError("it is no JSON object")
        struct = struct_pb2.Struct()
        struct.update(value)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except OverflowError:
        raise ValueError("it holds a number that is too large") from None
    return struct


def _refuse(constant: str) -> Any:
    raise ValueError(f"it holds {constant}, which is no JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise OverflowError
    return number


def _plain_fields(struct: struct_pb2.Struct) -> dict[str, Any]:
    return {key: _plain(value) for key, value in struct.fields.items()}


def _plain(value: struct_pb2.Value) -> Any:
    match value.WhichOneof("kind"):
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() and abs(number) <= EXACT else number
        case "struct_value":
            return _plain_fields(value.struct_value)
        case "list_value":
            return [_plain(item) for item in value.list_value.values]
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
    return None
