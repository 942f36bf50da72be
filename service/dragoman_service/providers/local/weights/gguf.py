"""Reads from a GGUF file what its engine does not report: which tokens are control tokens."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

_CONTROL = 3  # llama.cpp's LLAMA_TOKEN_TYPE_CONTROL
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # bytes, by type of value
_STRING, _ARRAY = 8, 9
_HEADER = struct.Struct("<4sIQQ")
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_TYPES = b"tokenizer.ggml.token_type"


def control_tokens(path: Path) -> frozenset[int]:
    """The ids of the control tokens, which stand for no text. Raises ValueError if the file is not GGUF 2 or 3."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return _control_tokens(data)
        except (struct.error, KeyError, IndexError) as error:
            raise ValueError(f"{path} is not a readable GGUF file") from error


def _control_tokens(data: mmap.mmap) -> frozenset[int]:
    magic, version, _, entries = _HEADER.unpack_from(data, 0)
    if magic != b"GGUF" or version not in (2, 3):
        raise KeyError(version)
    at = _HEADER.size
    for _ in range(entries):
        (length,) = _U64.unpack_from(data, at)
        name = data[at + 8 : at + 8 + length]
        at += 8 + length
        (kind,) = _U32.unpack_from(data, at)
        if name == _TYPES and kind == _ARRAY:
            return _read_types(data, at + 4)
        at = _skip(data, at + 4, kind)
    return frozenset()


def _read_types(data: mmap.mmap, at: int) -> frozenset[int]:
    (kind,) = _U32.unpack_from(data, at)
    (count,) = _U64.unpack_from(data, at + 4)
    if _SIZES[kind] != 4:
        raise KeyError(kind)
    types = struct.unpack_from(f"<{count}i", data, at + 12)
    return frozenset(token for token, type_ in enumerate(types) if type_ == _CONTROL)


def _skip(data: mmap.mmap, at: int, kind: int) -> int:
    """The offset after the value of type `kind` at the offset `at`."""
    if kind == _STRING:
        return at + 8 + int(_U64.unpack_from(data, at)[0])
    if kind != _ARRAY:
        return at + _SIZES[kind]
    (item,) = _U32.unpack_from(data, at)
    (count,) = _U64.unpack_from(data, at + 4)
    at += 12
    if item in _SIZES:
        return at + int(count) * _SIZES[item]
    for _ in range(count):
        at = _skip(data, at, item)
    return at
