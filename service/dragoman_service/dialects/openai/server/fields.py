"""The parameters of a request: strictly parsed JSON, and values of the type that each parameter has.

Mistakes are reported as OpenAI reports them: one error, which names the parameter.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.errors import CompletionError, malformed_request

PARAM, CODE = "param", "code"
"""Metadata keys of an error that already names the parameter and the code of this dialect."""

MISSING = "missing_required_parameter"
"""The error code of a parameter that is absent."""
_INT32, _INT64 = 2**31, 2**63
_TYPES: dict[type, str] = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


def wrong(param: str, message: str, code: str = "invalid_value") -> CompletionError:
    """INVALID_FIELD for the value of `param`. `code` is the error code that programs read."""
    metadata = {PARAM: param, CODE: code}
    return CompletionError(code_pb2.INVALID_ARGUMENT, v1.ERROR_REASON_INVALID_FIELD, message, metadata=metadata)


def unknown(param: str) -> CompletionError:
    """INVALID_FIELD for a parameter that does not exist."""
    return wrong(param[:128], f"Unknown parameter: '{param[:128]}'.", "unknown_parameter")


def unsupported(param: str, advice: str) -> CompletionError:
    """INVALID_FIELD for a parameter or a value of OpenAI's API that this service does not support."""
    return wrong(param, f"'{param}' is not supported here. {advice}", "unsupported_parameter")


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`. Raises MALFORMED_REQUEST if it is none, holds NaN, or has a duplicate key."""
    try:
        value = _JSON.decode(body.decode())
    except _DuplicateKeyError as duplicate:
        raise malformed_request(f"The body has the key {str(duplicate)[:128]!r} twice in one object.") from None
    except RecursionError:
        raise malformed_request("The body is nested too deeply.") from None
    except ValueError as error:
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise malformed_request(f"The body is not valid JSON{where}.") from None
    if not isinstance(value, dict):
        raise malformed_request(f"The body must be a JSON object, not {named(value)}.")
    return value


def text(value: Any, param: str) -> str:
    """A string. Raises INVALID_FIELD, as do all functions below."""
    return value if isinstance(value, str) else _mistyped(value, param, "a string")


def boolean(value: Any, param: str) -> bool:
    return value if isinstance(value, bool) else _mistyped(value, param, "a boolean")


def number(value: Any, param: str) -> float:
    """A number, integer or not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        _mistyped(value, param, "a number")
    if abs(value) >= _INT64:
        raise wrong(param, f"'{param}' is out of range.")
    return float(value)


def integer(value: Any, param: str) -> int:
    """An integer of 32 bits."""
    return _integer(value, param, _INT32)


def long_integer(value: Any, param: str) -> int:
    """An integer of 64 bits."""
    return _integer(value, param, _INT64)


def items(value: Any, param: str) -> Sequence[Any]:
    return value if isinstance(value, list) else _mistyped(value, param, "an array")


def mapping(value: Any, param: str) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else _mistyped(value, param, "an object")


def required(source: Mapping[str, Any], name: str, at: str = "") -> Any:
    """The value of `name`, which must be present and not null."""
    if source.get(name) is None:
        raise wrong(at + name, f"Missing required parameter: '{at}{name}'.", MISSING)
    return source[name]


def one_of(value: Any, allowed: Sequence[str], param: str) -> str:
    """One of the strings in `allowed`."""
    if text(value, param) not in allowed:
        shown = ", ".join(f"'{name}'" for name in allowed)
        raise wrong(param, f"Invalid value for '{param}': '{value[:64]}'. Supported values are {shown}.")
    return str(value)


def json_text(value: Any) -> str:
    """`value` as compact JSON text, its keys in their order."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def named(value: Any) -> str:
    """The JSON type of `value` in words."""
    return _TYPES.get(type(value), "something else")


def _integer(value: Any, param: str, limit: int) -> int:
    is_whole = isinstance(value, float) and value.is_integer()  # languages without integers write 100.0
    if isinstance(value, bool) or not (isinstance(value, int) or is_whole):
        _mistyped(value, param, "an integer")
    if not -limit <= value < limit:
        raise wrong(param, f"'{param}' is out of range.")
    return int(value)


def _mistyped(value: Any, param: str, expected: str) -> NoReturn:
    message = f"Invalid type for '{param}': expected {expected}, but got {named(value)} instead."
    raise wrong(param, message, "invalid_type")


class _DuplicateKeyError(Exception):
    """An object has the same key twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _DuplicateKeyError(name)
        found[name] = value
    return found


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(digits)
    return value


# Made once, because `json.loads` makes a decoder for each text.
_JSON = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_number, parse_float=_finite)
