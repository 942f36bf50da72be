"""Counts the values of a message before it is parsed, because millions of empty ones fit into a few MiB."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor

from dragoman_service.transport.status import MAX_VALUES, too_many_values

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types


def parse_counted(parse: Callable[[bytes], Any], raw: bytes, most: int = MAX_VALUES) -> Any:
    """Parses `raw` with the `FromString` of a message class. Raises REQUEST_TOO_LARGE for more than `most` values.

    It takes a microsecond for each value, so call it in a thread. The parser, which cannot be interrupted, then takes
    a few milliseconds.
    """
    descriptor = getattr(getattr(parse, "__self__", None), "DESCRIPTOR", None)
    if isinstance(descriptor, Descriptor) and _exceeds(raw, _messages_in(descriptor), most):
        raise too_many_values(most)
    return parse(raw)


@cache
def _messages_in(descriptor: Descriptor) -> Mapping[int, Descriptor]:
    """The fields that hold messages, by number."""
    return {field.number: field.message_type for field in descriptor.fields if field.message_type is not None}


def _exceeds(raw: bytes, messages: Mapping[int, Descriptor], most: int) -> bool:
    """Whether there are more than `most` fields before the end, or before the first byte that is not valid."""
    open_messages: list[tuple[int, Mapping[int, Descriptor]]] = []
    at, end, count = 0, len(raw), 0
    try:
        while count <= most:
            while at >= end:
                if not open_messages:
                    return False
                end, messages = open_messages.pop()
            key, at = _varint(raw, at)
            count += 1
            kind = key & 7
            if kind == _BYTES:
                size, at = _varint(raw, at)
                inner = messages.get(key >> 3)
                if inner is None or not size:
                    at += size
                else:
                    open_messages.append((end, messages))
                    end, messages = at + size, _messages_in(inner)
            elif kind == _VARINT:
                _, at = _varint(raw, at)
            elif kind in (_FIXED64, _FIXED32):
                at += 8 if kind == _FIXED64 else 4
            else:
                return False
    except IndexError:
        return False
    return True


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    byte = raw[at]
    at += 1
    if byte < 128:
        return byte, at
    value, shift = byte & 127, 7
    while True:
        byte = raw[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128 or shift > 63:
            return value, at
        shift += 7
