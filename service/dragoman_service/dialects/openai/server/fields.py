"""The parameters of a request as they come: JSON read strictly, and values of the type that their name asks for.

What is wrong is told as OpenAI tells it: one error, which names the parameter.
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
"""Keys of the metadata of an error that is in this dialect's words already."""

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
    """What the caller sent as `param` cannot be taken; `code` is for programs."""
    metadata = {PARAM: param, CODE: code}
    return CompletionError(code_pb2.INVALID_ARGUMENT, v1.ERROR_REASON_INVALID_FIELD, message, metadata=metadata)


def unknown(param: str) -> CompletionError:
    """There is no such parameter here."""
    message = f"Unknown parameter: '{param[:128]}'. It is not passed over, since the answer would not be what it asks."
    return wrong(param[:128], message, "unknown_parameter")


def unsupported(param: str, advice: str) -> CompletionError:
    """A parameter or a value that exists but is not served here."""
    return wrong(param, f"'{param}' is not supported here. {advice}", "unsupported_parameter")


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`. Raises MALFORMED_REQUEST for what is none, for NaN and for names that stand twice."""
    try:
        value = json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_no_number, parse_float=_finite)
    except _TwiceError as twice:
        raise malformed_request(f"The body names {str(twice)[:128]!r} twice in one object. Send it once.") from None
    except RecursionError:
        raise malformed_request("The body is nested too deeply.") from None
    except ValueError as error:
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise malformed_request(f"The body is no JSON{where}.") from None
    if not isinstance(value, dict):
        raise malformed_request(f"The body should be a JSON object, not {named(value)}.")
    return value


def given(mapping: Mapping[str, Any], known: frozenset[str], at: str) -> dict[str, Any]:
    """What `mapping` holds beside null and empty lists, which ask nothing. Raises for a name that is not known."""
    found = {name: value for name, value in mapping.items() if value is not None and value != []}
    for name in found:
        if name not in known:
            raise unknown(f"{at}.{name}")
    return found


def text(value: Any, param: str) -> str:
    """A string. Raises INVALID_FIELD, as the others here."""
    return value if isinstance(value, str) else _mistyped(value, param, "a string")


def boolean(value: Any, param: str) -> bool:
    return value if isinstance(value, bool) else _mistyped(value, param, "a boolean")


def number(value: Any, param: str) -> float:
    """A number; an integer will do."""
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
    """The value of `name`, which has to be there."""
    if source.get(name) is None:
        raise wrong(at + name, f"Missing required parameter: '{at}{name}'.", "missing_required_parameter")
    return source[name]


def one_of(value: Any, allowed: Sequence[str], param: str) -> str:
    """One of the strings."""
    if text(value, param) not in allowed:
        shown = ", ".join(f"'{name}'" for name in allowed)
        raise wrong(param, f"Invalid value for '{param}': '{value[:64]}'. Supported are {shown}.")
    return str(value)


def json_text(value: Any) -> str:
    """`value` as JSON text, its order kept."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def named(value: Any) -> str:
    """The type of a value in words."""
    return _TYPES.get(type(value), "something else")


def _integer(value: Any, param: str, limit: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        _mistyped(value, param, "an integer")
    if not -limit <= value < limit:
        raise wrong(param, f"'{param}' is out of range.")
    return int(value)


def _mistyped(value: Any, param: str, expected: str) -> NoReturn:
    message = f"Invalid type for '{param}': expected {expected}, but got {named(value)} instead."
    raise wrong(param, message, "invalid_type")


class _TwiceError(Exception):
    """A name stands twice in an object."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _TwiceError(name)
        found[name] = value
    return found


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(digits)
    return value
