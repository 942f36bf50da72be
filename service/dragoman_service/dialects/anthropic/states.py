"""The state of parts: on thinking blocks where the vendor has it, and beside those blocks that have no place for it.

A thinking block has a `signature`. Thinking without text is a `redacted_thinking` block, whose `data` is opaque, which
clients return as they got it. Text and tool calls have neither, so their state is in such a block after them, and
so is the state of thinking that a caller did not ask for, because programs expect text in the first block.
"""

from __future__ import annotations

from typing import Any

from dragoman_service.dialects.media import decode_base64, encode_base64

AFTER, BEFORE = "after.", "before."
"""Begin the data of a block with the state of the part before it, or with that of thinking that preceded that part.
No base64 begins like that."""
Wire = dict[str, Any]


def redacted(state: bytes, place: str = "") -> Wire:
    """A block that holds a state, of thinking in its own place unless `place` is one of the above."""
    return {"type": "redacted_thinking", "data": place + encode_base64(state)}


def decode_data(data: str) -> tuple[str, bytes]:
    """The place, and the state that was put there; empty if another service wrote it."""
    place = next((word for word in (AFTER, BEFORE) if data.startswith(word)), "")
    return place, decode_base64(data[len(place) :]) or b""


def decode_signature(signature: str) -> bytes:
    """The state of a thinking block; empty if another service wrote it."""
    return decode_base64(signature) or b""
