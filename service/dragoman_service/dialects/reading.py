"""Reads the JSON object of a request: each key once, mistakes by their path, and what is left out of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn, Self

import orjson
from dragoman import v1

from dragoman_service.dialects.media import decode_base64
from dragoman_service.dialects.message_json import json_object
from dragoman_service.errors import CompletionError, FieldViolation, invalid

_INT32, _INT64 = 2**31, 2**63
_MOST_WARNINGS = 100  # more say nothing new
_OBJECT = "must be an object"


def parsed(body: bytes | Mapping[str, Any]) -> Mapping[str, Any]:
    """The JSON object in `body`. Raises MALFORMED_REQUEST."""
    return json_object(body) if isinstance(body, bytes) else body


def json_text(value: object) -> str:
    """`value` as compact JSON text, its keys in their order."""
    return orjson.dumps(value).decode()


class Notes:
    """What is left out of a request. With `reject` it is refused instead."""

    def __init__(self, *, reject: bool = False) -> None:
        self.warnings: list[v1.Warning] = []
        self._reject = reject

    def leave_out(self, path: str, why: str) -> None:
        """Warns that the value at `path` has no effect. Raises INVALID_FIELD if nothing may be left out."""
        if self._reject:
            raise invalid(FieldViolation(path, f"{why} Leave it out."))
        if len(self.warnings) < _MOST_WARNINGS:
            message = f"{why} It was left out."
            self.warnings.append(v1.Warning(field=path, reason="UNSUPPORTED_FIELD", message=message))


class Reader:
    """One object of a request at `path`. All methods raise INVALID_FIELD for a value of the wrong type.

    A value of null counts as absent.
    """

    def __init__(self, value: Mapping[str, Any], path: str, notes: Notes) -> None:
        self._left = {self.key(key): inner for key, inner in value.items() if inner is not None}
        self.path = path
        self.notes = notes

    @staticmethod
    def key(name: str) -> str:
        """The name by which a key is read."""
        return name

    def at(self, name: str) -> str:
        """The path of a key."""
        return f"{self.path}.{name}" if self.path else name

    def take(self, name: str) -> Any:
        """The value of a key, None if it is absent."""
        return self._left.pop(name, None)

    def text(self, name: str) -> str | None:
        value = self.take(name)
        return value if value is None or isinstance(value, str) else self.wrong(name, "must be a string")

    def boolean(self, name: str) -> bool:
        """False if it is absent."""
        value = self.take(name)
        return value or False if value is None or isinstance(value, bool) else self.wrong(name, "must be a boolean")

    def number(self, name: str) -> float | None:
        value = self.take(name)
        if isinstance(value, str):  # as JSON for protobuf allows
            try:
                value = float(value)
            except ValueError:
                self.wrong(name, "must be a number")
        if isinstance(value, bool) or not isinstance(value, int | float | None):
            self.wrong(name, "must be a number")
        if value is not None and not abs(value) < _INT64:
            self.wrong(name, "is out of range")
        return value if value is None else float(value)

    def integer(self, name: str, *, limit: int = _INT32) -> int | None:
        """A whole number, which some clients write as 4.0."""
        value = self.number(name)
        if value is None:
            return None
        if not value.is_integer():
            self.wrong(name, "must be a whole number")
        if not -limit <= value < limit:
            self.wrong(name, "is out of range")
        return int(value)

    def data(self, name: str) -> bytes:
        """Bytes in base64; empty if absent."""
        found = decode_base64(self.text(name) or "")
        return self.wrong(name, "must be bytes in base64") if found is None else found

    def texts(self, name: str) -> list[str]:
        values = self._items(name)
        if not all(isinstance(value, str) for value in values):
            self.wrong(name, "must be a list of strings")
        return values

    def values(self, name: str) -> list[Any]:
        """A list of any values."""
        return self._items(name)

    def object(self, name: str) -> Self | None:
        """An object, None if it is absent."""
        value = self.take(name)
        return None if value is None else self._inner(name, value)

    def objects(self, name: str) -> Iterator[Self]:
        """A list of objects. One object counts as a list of one, as many parsers have it."""
        for number, value in enumerate(self._items(name)):
            yield self._inner(f"{name}[{number}]", value)

    def plain(self, name: str) -> dict[str, Any] | None:
        """An object whose keys are the caller's own, None if it is absent."""
        value = self.take(name)
        return value if value is None or isinstance(value, dict) else self.wrong(name, _OBJECT)

    def refuse(self, names: Mapping[str, str]) -> None:
        """Raises INVALID_FIELD if one of the keys is set. The values say what to do about it."""
        for name, advice in names.items():
            if self.take(name) not in (None, "", [], False):
                self.wrong(name, advice)

    def ignore(self, names: Mapping[str, str]) -> None:
        """Leaves out keys that no answer depends on. The values say why."""
        for name, why in names.items():
            if self.take(name) not in (None, "", [], {}, False):
                self.notes.leave_out(self.at(name), why)

    def names(self) -> list[str]:
        """The keys that were not read."""
        return list(self._left)

    def finish(self) -> None:
        """Leaves out every key that was not read."""
        for name in self._left:
            self.notes.leave_out(self.at(name)[:128], "This service does not know it.")

    def wrong(self, name: str, what: str) -> NoReturn:
        """Raises INVALID_FIELD for a key."""
        raise self.mistake(name, what)

    def mistake(self, name: str, what: str) -> CompletionError:
        """INVALID_FIELD for a key."""
        return invalid(FieldViolation(self.at(name) if name else self.path, what))

    def _inner(self, name: str, value: Any) -> Self:
        return type(self)(value, self.at(name), self.notes) if isinstance(value, dict) else self.wrong(name, _OBJECT)

    def _items(self, name: str) -> list[Any]:
        value = self.take(name)
        if value is None:
            return []
        return value if isinstance(value, list) else [value]
