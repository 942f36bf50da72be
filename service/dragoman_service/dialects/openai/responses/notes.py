"""What a stored response has to know and no field of a request stands for: the note of its operation."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import orjson

_API = "responses"


@dataclass(frozen=True, slots=True)
class Note:
    """How a response was asked for."""

    instructions: bool = False
    """The first message holds the instructions, which the next response does not inherit."""
    previous: str = ""
    """The id of the response that it goes on from."""
    background: bool = False
    """Its caller did not wait."""

    def encode(self) -> str:
        """The note as text."""
        return orjson.dumps({"api": _API, **asdict(self)}).decode()


def decode_note(text: str) -> Note:
    """The note in a text; an empty one if the operation was started through another API."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return Note(background=True)
    if not isinstance(value, dict) or value.pop("api", "") != _API:
        return Note(background=True)
    return Note(**value)
