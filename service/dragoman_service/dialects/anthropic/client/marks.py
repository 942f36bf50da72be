"""Puts marks of caches on the blocks of a request."""

from __future__ import annotations

from typing import Any

from dragoman import v1

from dragoman_service.dialects.anthropic.hints import CACHE, MOST_MARKS, mark_of

Wire = dict[str, Any]


class Marks:
    """Collects the blocks that have hints, in the order of the prefix: tools, instructions, messages."""

    def __init__(self) -> None:
        self._hinted: list[tuple[Wire, v1.CacheHint]] = []

    def add(self, block: Wire, owner: v1.Part | v1.Tool) -> None:
        """Takes the block of a part or a tool, if that has a hint."""
        if owner.HasField("cache_hint"):
            self._hinted.append((block, owner.cache_hint))

    def put(self) -> None:
        """Marks the last blocks, as many as the vendor takes, who also refuses a longer time after a shorter one."""
        longest: Wire = {}
        for block, hint in reversed(self._hinted[-MOST_MARKS:]):
            mark = mark_of(hint)
            longest = mark if mark.get("ttl") == "1h" else longest or mark
            block[CACHE] = longest if longest.get("ttl") == "1h" else mark
