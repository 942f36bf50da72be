"""Converts between the wire twins and the JSON objects of this dialect, so that one codec serves both."""

from __future__ import annotations

from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from dragoman_service.dialects.message_json import whole
from dragoman_service.errors import malformed_answer, malformed_request

M = TypeVar("M", bound=Message)
_JSON = "google.protobuf."
_INT64 = frozenset({FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT64})


def object_of(message: Message) -> dict[str, Any]:
    """A message as a JSON object: enums by name, bytes in base64, whole numbers without a decimal point.

    A field that the twin lacks becomes the key `field7`, so that whoever reads the object can tell of it. Raises
    MALFORMED_REQUEST for what JSON cannot express, such as an infinite number in a structure.
    """
    try:
        found: dict[str, Any] = json_format.MessageToDict(message)
    except (json_format.Error, ValueError, RecursionError) as wrong:
        raise malformed_request(f"The message has no JSON form: {str(wrong)[:200]}.") from None
    _complete(message, found)
    return found


def message_of(found: dict[str, Any], message: M) -> M:
    """Fills `message` from a JSON object; keys and names of enums that it does not know are left out.

    Raises PROVIDER_MALFORMED for what it cannot hold, such as an object that is nested too deeply.
    """
    try:
        return json_format.ParseDict(found, message, ignore_unknown_fields=True)
    except (json_format.Error, ValueError, RecursionError):
        raise malformed_answer("sent an object that this API cannot express") from None


def _complete(message: Message, found: dict[str, Any]) -> None:
    """Corrects what the JSON form of protobuf has otherwise, in place."""
    for field, value in message.ListFields():
        key, kind = field.json_name, field.message_type
        if kind is None:
            if field.type in _INT64:
                found[key] = list(value) if field.is_repeated else value
        elif kind.full_name.startswith(_JSON):
            found[key] = _whole(found[key])
        elif kind.GetOptions().map_entry:
            if kind.fields_by_name["value"].message_type is not None:
                for name, inner in value.items():
                    _complete(inner, found[key][name])
        elif field.is_repeated:
            for inner, complete in zip(value, found[key], strict=True):
                _complete(inner, complete)
        else:
            _complete(value, found[key])
    unknown: Any = UnknownFieldSet(message)  # its type does not say that it is a sequence
    found.update((f"field{field.field_number}", True) for field in unknown)


def _whole(value: Any) -> Any:
    """A value of a structure, which holds only doubles and no order: with integers where exact, and sorted keys."""
    if isinstance(value, float):
        return whole(value)
    if isinstance(value, dict):
        return {key: _whole(value[key]) for key in sorted(value)}
    return [_whole(inner) for inner in value] if isinstance(value, list) else value
