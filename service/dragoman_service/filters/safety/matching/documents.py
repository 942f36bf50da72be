"""JSON texts: what they say behind their escapes, and the same with their strings rewritten."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_MAX_DEPTH = 4  # JSON in a string of JSON in a string


def revealed(text: str) -> Iterator[str]:
    """The text as it is, its strings a line each, and the text without its escapes, layer by layer.

    Broken JSON is no way to hide, since escapes are replaced wherever they are.
    """
    yield text
    with suppress(ValueError, RecursionError):
        yield "\n".join(_strings(json.loads(text, object_pairs_hook=list)))
    for _ in range(_MAX_DEPTH):
        if "\\" not in text:
            return
        text = _ESCAPE.sub(_character, text)
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # joins halves of characters
        yield text


def redacted(text: str, redact: Callable[[str], str]) -> str:
    """The text with its strings rewritten; if it is not JSON, the whole rewritten."""
    try:
        rewritten = _rewritten(json.loads(text), redact)
        written = json.dumps(rewritten, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        return redact(text)
    return written.encode(errors="replace").decode()


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _strings(one)


def _rewritten(value: Any, redact: Callable[[str], str]) -> Any:
    match value:
        case str():
            return redact(value)
        case list():
            return [_rewritten(one, redact) for one in value]
        case dict():
            return {redact(key): _rewritten(one, redact) for key, one in value.items()}
    return value


def _character(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16)) if escape[1] else _SHORT.get(escape[2], escape[2])
