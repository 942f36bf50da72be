"""Writes settings as TOML, without their secrets."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr

from dragoman_service.settings.types import Address, NanoUsd, ResolvedSecret

HIDDEN = "**********"
_SECRET_KEY = re.compile(r"(^|[_-])(keys?|secrets?|tokens?|passwords?|credentials?|authorization)$", re.IGNORECASE)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_PASSWORD_IN_URL = re.compile(r"(?<=://)([^/@:\s]*):[^/@\s]+@")

_OF_PLUGINS = (("providers",), ("filters",))  # their tables are read by plugins

Path = tuple[str, ...]


def toml(tree: Mapping[str, Any]) -> str:
    """The tree as a TOML document, with keys in their order. None is left out."""
    return "\n".join(_table((), tree, "")).lstrip("\n") + "\n"


def fields(section: Any) -> dict[str, Any] | None:
    """A table of settings as a dict, or None if `section` is not a table."""
    if isinstance(section, BaseModel):
        return {name: getattr(section, name) for name in type(section).model_fields} | (section.model_extra or {})
    if isinstance(section, Mapping):
        return dict(section)
    if dataclasses.is_dataclass(section) and not isinstance(section, Address):
        return {item.name: getattr(section, item.name) for item in dataclasses.fields(section)}
    return None


def with_secrets(read: Any, written: Any) -> Any:
    """The settings that a plugin `read`, with secrets marked again where its type for them is plain text.

    `written` is the plugin's table before it was read.
    """
    if isinstance(written, ResolvedSecret):
        return written
    table = fields(read)
    if table is not None and isinstance(written, Mapping):
        return {key: with_secrets(value, written.get(key)) for key, value in table.items()}
    if _is_list(read) and isinstance(written, list):
        return [with_secrets(*pair) for pair in zip(read, written, strict=False)]
    return read


def _table(path: Path, section: Any, header: str) -> list[str]:
    """The lines of a table under its header: plain values first, because TOML requires that."""
    values, tables = [], []
    for key, value in (fields(section) or {}).items():
        inner = (*path, key)
        if fields(value) is not None:
            tables += _table(inner, value, f"[{_dotted(inner)}]")
        elif _is_list_of_tables(value):
            tables += [line for item in value for line in _table(inner, item, f"[[{_dotted(inner)}]]")]
        elif value is not None:
            values.append(f"{_key(key)} = {_value(_hide(path, key, value))}")
    return ["", header, *values, *tables] if values or not tables else tables


def _is_list_of_tables(value: Any) -> bool:
    return _is_list(value) and bool(value) and all(fields(item) is not None for item in value)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes)


def _hide(path: Path, key: str, value: Any) -> Any:
    """Hides values with a secret's name, because a plugin may read its table without types."""
    is_text = isinstance(value, str) or _is_list(value)
    return HIDDEN if path[:1] in _OF_PLUGINS and is_text and _SECRET_KEY.search(key) else value


def _value(value: Any) -> str:
    if isinstance(value, SecretStr | SecretBytes | ResolvedSecret):
        return _string(HIDDEN)
    if isinstance(value, NanoUsd):
        return _string(value.usd)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bool | int | float):
        return str(value).lower()
    if _is_list(value):
        return f"[{', '.join(_value(item) for item in value)}]"
    return _string(_PASSWORD_IN_URL.sub(rf"\1:{HIDDEN}@", str(value)))


def _dotted(path: Path) -> str:
    return ".".join(_key(key) for key in path)


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _string(key)


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
