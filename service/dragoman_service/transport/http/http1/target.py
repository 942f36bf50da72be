"""What the target of a request says: its path, and the parameters of its query."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

# A slash or a percent sign that came encoded is part of a name, so routes are looked up without decoding them.
_ENCODED = re.compile(r"(?:%(?!2[5Ff])[0-9A-Fa-f]{2})+")
_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_KEPT = re.compile(r"%2[5Ff]")


def path_of(target: str) -> str:
    """The path as routes are looked up by it: decoded, except slashes and percent signs. What is not UTF-8 stays."""
    path = target.partition("?")[0]
    if not path.startswith("/") and path != "*":
        path = "/" + path.partition("://")[2].partition("/")[2]
    return _ENCODED.sub(_decoded, path) if "%" in path else path


def plain(path: str) -> str:
    """A part of what `path_of` returns, with its slashes and percent signs."""
    return _KEPT.sub(lambda found: "%" if found[0] == "%25" else "/", path) if "%" in path else path


def query_of(target: str) -> dict[str, str]:
    """The first value of each parameter."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(target.partition("?")[2], keep_blank_values=True):
        found.setdefault(name, value)
    return found


def _decoded(found: re.Match[str]) -> str:
    text = bytes.fromhex(found[0].replace("%", "")).decode(errors="surrogateescape")
    return _NOT_UTF8.sub(lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", text)
