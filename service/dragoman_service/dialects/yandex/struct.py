"""Converts between google.protobuf.Struct and JSON text."""

from __future__ import annotations

import json
import math
from typing import Any

from google.protobuf import struct_pb2

from dragoman_service.dialects.message_json import plain_value

MAX_DEPTH = 30  # nested objects and lists: each takes three messages, and protobuf parses 100 nested ones


def json_of(struct: struct_pb2.Struct) -> str:
    """The struct as JSON text with sorted keys, because a struct does not keep their order.

    NaN and infinity become words that JSON does not allow; check with `is_json` first.
    """
    plain = {key: plain_value(value) for key, value in struct.fields.items()}
    return json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def is_json(struct: struct_pb2.Struct) -> bool:
    """Whether JSON can express all its numbers: a double may be NaN or infinite."""
    return all(_is_finite(value) for value in struct.fields.values())


def struct_of(text: str) -> struct_pb2.Struct:
    """The JSON object in `text`, empty for empty text. Raises ValueError if a struct cannot hold it."""
    try:
        value = json.loads(text or "{}", parse_constant=_refuse, parse_float=_finite)
        if not isinstance(value, dict):
            raise ValueError("it is not a JSON object")
        _refuse_depth(value, MAX_DEPTH)
        struct = struct_pb2.Struct()
        struct.update(value)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except OverflowError:
        raise ValueError("it holds a number that is too large") from None
    return struct


def _refuse_depth(value: Any, left: int) -> None:
    if not isinstance(value, dict | list):
        return
    if not left:
        raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
    for inner in value.values() if isinstance(value, dict) else value:
        _refuse_depth(inner, left - 1)


def _refuse(constant: str) -> Any:
    raise ValueError(f"it holds {constant}, which JSON does not allow")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise OverflowError
    return number


def _is_finite(value: struct_pb2.Value) -> bool:
    match value.WhichOneof("kind"):
        case "number_value":
            return math.isfinite(value.number_value)
        case "struct_value":
            return is_json(value.struct_value)
        case "list_value":
            return all(map(_is_finite, value.list_value.values))
    return True
