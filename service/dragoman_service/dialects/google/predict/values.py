"""Encodes plain Python values as google.protobuf.Value, the value of complete predictions."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format, struct_pb2


def value_of(plain: Any) -> struct_pb2.Value:
    """A value as a message."""
    return json_format.ParseDict(plain, struct_pb2.Value())
