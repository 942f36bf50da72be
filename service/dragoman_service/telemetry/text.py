"""Makes text that may come from callers and libraries fit for the log: no secrets, no control characters."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

_CREDENTIALS = re.compile(r"(?i)\b(bearer|api-key|basic)(\s+)[^\s'\"]+")
_BYTES = re.compile(r"""\bb('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTROLS_EXCEPT_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LINES = frozenset({"event", "exception"})  # the only values that may have several lines, such as a traceback


def scrub(text: str) -> str:
    """Removes credentials, and the literals of bytes with which libraries quote headers and paths of a caller."""
    return _BYTES.sub("b'[redacted]'", _CREDENTIALS.sub(r"\1\2[redacted]", text))


def scrub_library_line(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Scrubs a line of a library, whose text is not under our control."""
    event["event"] = scrub(str(event["event"]))
    return event


def scrub_exception(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Scrubs the traceback of a line, because the messages of exceptions may quote anything."""
    if isinstance(event.get("exception"), str):
        event["exception"] = scrub(event["exception"])
    return event


def escape_controls(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escapes control characters, which a terminal would obey."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = (_CONTROLS_EXCEPT_LINES if key in _LINES else _CONTROLS).sub(_escaped, value)
    return event


def without_surrogates(value: Any) -> Any:
    """Returns a value of JSON with half characters escaped. Headers have bytes that are not UTF-8 as such."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {without_surrogates(key): without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_surrogates(item) for item in value]
    return value


def _escaped(match: re.Match[str]) -> str:
    return repr(match[0])[1:-1]
