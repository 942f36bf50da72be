"""The state of a part, such as the signature of a thought: bytes here, base64 on the wire."""

from __future__ import annotations

import base64

SIGNATURE = "thoughtSignature"


def encode_state(state: bytes) -> dict[str, str]:
    """The key of a part with `state`, none without."""
    return {SIGNATURE: base64.b64encode(state).decode()} if state else {}
