"""`cache_control`: marks the end of a prefix that the provider may keep."""

from __future__ import annotations

from typing import Any

from dragoman import v1

from dragoman_service.dialects.reading import Reader

CACHE = "cache_control"
MOST_MARKS = 4
"""A request with more is refused by the vendor."""
_SHORT, _LONG = 300, 3600  # seconds
_TTLS = {"5m": _SHORT, "1h": _LONG}
_BETWEEN = (_SHORT + _LONG) / 2


def decode_hint(reader: Reader) -> v1.CacheHint | None:
    """The hint of the object that `reader` reads, None without one. Raises INVALID_FIELD."""
    mark = reader.object(CACHE)
    if mark is None:
        return None
    hint = v1.CacheHint()
    kind, ttl = mark.text("type"), mark.text("ttl")
    if kind != "ephemeral":
        mark.wrong("type", "must be ephemeral")
    if ttl is not None:
        if ttl not in _TTLS:
            mark.wrong("ttl", f"must be one of {', '.join(_TTLS)}")
        hint.ttl.seconds = _TTLS[ttl]
    mark.finish()
    return hint


def mark_of(hint: v1.CacheHint) -> dict[str, Any]:
    """The mark that a hint asks for, with the nearest time that the vendor offers."""
    if not hint.HasField("ttl"):
        return {"type": "ephemeral"}
    long = hint.ttl.ToTimedelta().total_seconds() > _BETWEEN
    return {"type": "ephemeral", "ttl": "1h" if long else "5m"}
