"""The state of parts in `encrypted_content`, which clients return as they got it.

Only items of reasoning have that key. The state of other parts, and the keys of a vendor that belong to a whole
message, are in items of reasoning without text after them.
"""

from __future__ import annotations

import orjson

from dragoman_service.dialects.media import decode_base64, encode_base64

_MARK = "dragoman."
OWN, AFTER, EMPTY, KEYS = "own.", "after.", "empty.", "keys."
"""What the state is of: the reasoning itself, the part before it, a part without text, or the message."""
_PLACES = (OWN, AFTER, EMPTY, KEYS)


def encode_state(state: bytes, place: str = OWN) -> str:
    """`encrypted_content` that holds a state."""
    return f"{_MARK}{place}{encode_base64(state)}"


def encode_keys(keys: dict[str, str]) -> str:
    """`encrypted_content` that holds the keys of a message."""
    return encode_state(orjson.dumps(keys), KEYS)


def decode_state(text: str) -> tuple[str, bytes] | None:
    """What the state is of, and the state; None if another service wrote it."""
    rest = text.removeprefix(_MARK)
    place = next((place for place in _PLACES if rest.startswith(place)), None)
    if rest == text or place is None:
        return None
    state = decode_base64(rest.removeprefix(place))
    return (place, state) if state else None


def decode_keys(state: bytes) -> dict[str, str]:
    """The keys of a message; none if they were changed on their way."""
    try:
        keys = orjson.loads(state)
    except orjson.JSONDecodeError:
        return {}
    texts = isinstance(keys, dict) and all(isinstance(value, str) for value in keys.values())
    return keys if texts else {}
