"""The state of parts as this provider keeps it: a letter, then the text that the vendor gave and must get back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Wire = dict[str, Any]
_SIGNATURE, _DATA = b"s:", b"r:"


def state_of_signature(signature: str) -> bytes:
    """The state of thinking. A signature may be empty: then the thinking is returned too."""
    return _SIGNATURE + signature.encode(errors="surrogatepass")


def state_of_data(data: str) -> bytes:
    """The state of thinking that the vendor encrypted."""
    return _DATA + data.encode(errors="surrogatepass")


def thought_of_state(text: str, state: bytes) -> Iterator[Wire]:
    """The block of thinking with that state; none if the state is not of the vendor's."""
    if state.startswith(_SIGNATURE):
        yield {"type": "thinking", "thinking": text, "signature": _text(state, _SIGNATURE)}
    yield from blocks_of_state(state)


def blocks_of_state(state: bytes) -> Iterator[Wire]:
    """The block that holds encrypted state."""
    if state.startswith(_DATA):
        yield {"type": "redacted_thinking", "data": _text(state, _DATA)}


def _text(state: bytes, kind: bytes) -> str:
    return state.removeprefix(kind).decode(errors="replace")
