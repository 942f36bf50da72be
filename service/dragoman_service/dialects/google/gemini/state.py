"""The state of a part, such as the signature of a thought: bytes here, base64 on the wire."""

from __future__ import annotations

from collections.abc import Mapping

from dragoman_service.dialects.media import decode_base64, encode_base64

SIGNATURE = "thoughtSignature"


def encode_state(state: bytes) -> dict[str, str]:
    """The key of a part with `state`, none without."""
    return {SIGNATURE: encode_base64(state)} if state else {}


def decode_state(part: Mapping[str, object]) -> bytes:
    """The state of a part, empty if it has none that is base64."""
    text = part.get(SIGNATURE)
    return (decode_base64(text) or b"") if isinstance(text, str) else b""
