"""Keys of single vendors: their number, their names, and values that are JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import orjson

from dragoman_service.errors import FieldViolation
from dragoman_service.validation import limits
from dragoman_service.validation.wording import too_many


def extension_violations(extensions: Mapping[str, str], at: str) -> Iterator[FieldViolation]:
    """Mistakes in the extensions of a request or of one of its parts, whose path is `at`."""
    if len(extensions) > limits.EXTENSIONS:
        yield too_many(at, len(extensions), limits.EXTENSIONS, "keys")
        return
    for key, value in sorted(extensions.items()):
        path = f"{at}[{key[:64]!r}]"
        if not 1 <= len(key) <= limits.EXTENSION_KEY:
            yield FieldViolation(path, f"keys must have 1 to {limits.EXTENSION_KEY} characters")
        try:
            orjson.loads(value)
        except orjson.JSONDecodeError:
            yield FieldViolation(path, "must be valid JSON")
