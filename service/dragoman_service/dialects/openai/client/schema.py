"""JSON schemas, which travel through our messages as text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dragoman_service.errors import FieldViolation, invalid


def schema_object(text: str, path: str) -> Mapping[str, Any]:
    """The schema that `text` is, in the order of its properties. Raises INVALID_FIELD for `path`."""
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError):
        raise invalid(FieldViolation(path, "must be JSON")) from None
    if not isinstance(schema, dict):
        raise invalid(FieldViolation(path, "must be a JSON object"))
    return schema
