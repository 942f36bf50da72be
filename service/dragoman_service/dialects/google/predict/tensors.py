"""Converts tensors, as messages and as JSON, to plain Python values and back.

Plain values are None, booleans, numbers, texts, lists and dictionaries, so that one codec serves tensors and
google.protobuf.Value alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dragoman.dialect.google.aiplatform import v1 as a

from dragoman_service.dialects.google.keys import camel_case

Plain = Any
_INT32, _INT64 = range(-(2**31), 2**31), range(-(2**63), 2**64)
_SHAPE = frozenset({"dtype", "shape"})
"""Keys of a tensor that say nothing that its values do not."""


def plain_of(tensor: a.Tensor) -> Plain:
    """The value of a message: one element alone, several as a list, None for none."""
    if tensor.struct_val:
        return {key: plain_of(inner) for key, inner in tensor.struct_val.items()}
    if tensor.list_val:
        return [plain_of(inner) for inner in tensor.list_val]
    for field, value in tensor.ListFields():
        if field.name.endswith("_val") and field.name in _SCALARS:
            return _unpacked([_SCALARS[field.name](element) for element in value])
    return None


def tensor_of(value: Plain) -> a.Tensor:
    """A value as a message. An empty list and an empty dictionary become an empty tensor."""
    match value:
        case None:
            return a.Tensor()
        case dict():
            return a.Tensor(struct_val={key: tensor_of(inner) for key, inner in value.items()})
        case list():
            return a.Tensor(list_val=map(tensor_of, value))
    tensor = a.Tensor()
    getattr(tensor, _FIELDS[_field_of(value)]).append(value)
    return tensor


def plain_of_json(tree: object, path: str) -> Plain:
    """The value of a tensor in JSON: keys in either spelling, and elements alone in place of a list of one.

    Raises ValueError, which names the place below `path`, for anything that is not a tensor.
    """
    if tree is None:
        return None
    if not isinstance(tree, dict):
        raise ValueError(f'{path}: must be a tensor, as in {{"string_val": ["text"]}}')
    given = ((camel_case(key), value) for key, value in tree.items() if value is not None)
    values = {key: value for key, value in given if key not in _SHAPE}
    if len(values) > 1:
        raise ValueError(f"{path}: holds {' and '.join(sorted(values)[:2])}; set only one of them")
    for key, value in values.items():
        return _value(key, value, path)
    return None


def json_of(value: Plain) -> dict[str, Any]:
    """A value as a tensor in JSON."""
    match value:
        case None:
            return {}
        case dict():
            return {"structVal": {key: json_of(inner) for key, inner in value.items()}} if value else {}
        case list():
            return {"listVal": [json_of(inner) for inner in value]} if value else {}
    field = _field_of(value)
    return {field: [str(value) if field == "int64Val" else value]}


def _value(key: str, value: object, path: str) -> Plain:
    if key == "structVal":
        if not isinstance(value, dict):
            raise ValueError(f"{path}.{key}: must be an object")
        return {name: plain_of_json(inner, f"{path}.{name}") for name, inner in value.items()}
    elements = value if isinstance(value, list) else [value]
    if key == "listVal":
        return [plain_of_json(inner, f"{path}[{number}]") for number, inner in enumerate(elements)]
    if key not in _JSON_SCALARS:
        raise ValueError(f"{path}.{key}: is not a field of a tensor; values by name are in struct_val")
    read = _JSON_SCALARS[key]
    try:
        return _unpacked([read(element) for element in elements])
    except (ValueError, TypeError, OverflowError):
        raise ValueError(f"{path}.{key}: holds a value of another type") from None


def _unpacked(elements: list[Plain]) -> Plain:
    return elements[0] if len(elements) == 1 else elements or None


def _field_of(value: object) -> str:
    """The field of a single value, as JSON names it."""
    match value:
        case bool():
            return "boolVal"
        case int():
            return "intVal" if value in _INT32 else "int64Val"
        case float():
            return "doubleVal"
        case str():
            return "stringVal"
    raise TypeError(f"{type(value)} has no tensor")


def _short(number: float) -> float:
    """A number of 32 bits as it was written: 0.8, not 0.800000011920929."""
    return float(f"{number:.7g}")


def _exactly(*kinds: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if type(value) not in kinds:
            raise TypeError
        return value

    return read


def _integer(value: Any) -> int:
    """JSON writes integers of 64 bits as texts, and any integer may have a decimal point."""
    if type(value) is bool or (type(value) is float and not value.is_integer()):
        raise TypeError
    number = int(value)
    if number not in _INT64:
        raise OverflowError
    return number


def _number(value: Any) -> float | int:
    if type(value) is bool:
        raise TypeError
    return value if type(value) in (int, float) else float(value)


_FIELDS = {"boolVal": "bool_val", "intVal": "int_val", "int64Val": "int64_val", "doubleVal": "double_val",
           "stringVal": "string_val"}  # fmt: skip
_SCALARS: dict[str, Callable[[Any], Plain]] = {
    "bool_val": bool,
    "string_val": str,
    "float_val": _short,
    "double_val": float,
    **dict.fromkeys(("int_val", "int64_val", "uint_val", "uint64_val"), int),
}
_JSON_SCALARS: dict[str, Callable[[Any], Plain]] = {
    "boolVal": _exactly(bool),
    "stringVal": _exactly(str),
    "floatVal": _number,
    "doubleVal": _number,
    **dict.fromkeys(("intVal", "int64Val", "uintVal", "uint64Val"), _integer),
}
