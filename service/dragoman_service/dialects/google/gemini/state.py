"""The state of a part, such as the signature of a thought: bytes here, base64 on the wire."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

SIGNATURE = "thoughtSignature"
_STANDARD = str.maketrans("-_", "+/")


def encode_state(state: bytes) -> dict[str, str]:
    """The key of a part with `state`, none without."""
    return {SIGNATURE: base64.b64encode(state).decode()} if state else {}


def decode_state(part: Mapping[str, object]) -> bytes:
    """The state of a part, empty if it has none that is base64."""
    text = part.get(SIGNATURE)
    return (decode_base64(text) or b"") if isinstance(text, str) else b""


def decode_base64(text: str) -> bytes | None:
    """Bytes in standard or URL-safe base64, with or without padding; None for anything else."""
    bare = text.translate(_STANDARD).rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
