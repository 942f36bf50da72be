"""Keys of JSON objects, which the vendor's programs write in snake_case, in camelCase, or in both."""

from __future__ import annotations

import re

_WORD = re.compile(r"_+([a-z0-9])")


def camel_case(key: str) -> str:
    """A key as the vendor's JSON has it: `struct_val` and `structVal` are `structVal`."""
    return _WORD.sub(lambda found: found[1].upper(), key) if "_" in key else key
