"""Images, documents and recordings in messages, and hints about caches."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dragoman import v1

from dragoman_service.errors import FieldViolation
from dragoman_service.validation import limits
from dragoman_service.validation.wording import missing, too_long

_NAME = r"[a-z0-9][a-z0-9!#$&^_.+-]*"
_MEDIA_TYPE = re.compile(f"{_NAME}/{_NAME}")
_SCHEMES = ("https://", "http://", "gs://")
_ROLES = frozenset({v1.ROLE_USER, v1.ROLE_DATA})


def media_violations(
    part: v1.Part, at: str, role: v1.Role.ValueType, *, after_result: bool
) -> Iterator[FieldViolation]:
    """Mistakes in a part at `at` that is a blob or a file. `after_result`: a tool result comes before it."""
    kind = "blob" if part.HasField("blob") else "file"
    if role == v1.ROLE_TOOL and not after_result:
        yield FieldViolation(f"{at}.{kind}", "must come after the tool result that it belongs to")
    elif role != v1.ROLE_TOOL and role not in _ROLES:
        yield FieldViolation(f"{at}.{kind}", "is allowed only in messages of ROLE_USER, ROLE_DATA and ROLE_TOOL")
    yield from _blob(part.blob, f"{at}.blob") if kind == "blob" else _file(part.file, f"{at}.file")


def _blob(blob: v1.Blob, at: str) -> Iterator[FieldViolation]:
    if not blob.media_type:
        yield missing(f"{at}.media_type", "as in image/png")
    if not blob.data:
        yield missing(f"{at}.data", "the bytes of the file")
    if len(blob.data) > limits.BLOB:
        yield FieldViolation(f"{at}.data", f"has {len(blob.data)} bytes; at most {limits.BLOB} are allowed")
    yield from _described(blob, at)


def _file(file: v1.File, at: str) -> Iterator[FieldViolation]:
    match file.WhichOneof("source"):
        case "uri":
            if len(file.uri) > limits.FILE_URI:
                yield too_long(f"{at}.uri", file.uri, limits.FILE_URI)
            if not file.uri.startswith(_SCHEMES):
                yield FieldViolation(f"{at}.uri", "must begin with https://, http:// or gs://; send bytes as a blob")
        case "id":
            if not 1 <= len(file.id) <= limits.FILE_ID:
                yield FieldViolation(f"{at}.id", f"must have 1 to {limits.FILE_ID} characters")
        case _:
            yield FieldViolation(at, "is empty: set uri or id")
    yield from _described(file, at)


def _described(content: v1.Blob | v1.File, at: str) -> Iterator[FieldViolation]:
    given = content.media_type
    if given and not (len(given) <= limits.MEDIA_TYPE and _MEDIA_TYPE.fullmatch(given)):
        yield FieldViolation(f"{at}.media_type", "must be a type and a subtype in lower case, as in image/png")
    if len(content.name) > limits.FILE_NAME:
        yield too_long(f"{at}.name", content.name, limits.FILE_NAME)


def cache_hint_violations(hint: v1.CacheHint, at: str) -> Iterator[FieldViolation]:
    """Mistakes in a hint at `at`."""
    if hint.HasField("ttl") and not 0 < hint.ttl.ToTimedelta().total_seconds() <= limits.CACHE_TTL:
        yield FieldViolation(f"{at}.ttl", f"must be above 0 and at most {limits.CACHE_TTL} seconds")
