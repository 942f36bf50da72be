"""Reads JSON objects as the vendor does: keys in camelCase or snake_case, enums by name or by number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman_service.dialects import reading
from dragoman_service.dialects.google.gemini.enums import Api, WireEnum
from dragoman_service.dialects.google.keys import camel_case
from dragoman_service.dialects.reading import json_text, parsed

__all__ = ["Notes", "Reader", "json_text", "parsed"]


class Notes(reading.Notes):
    """What is left out of a request of one of the APIs."""

    def __init__(self, api: Api, *, reject: bool = False) -> None:
        super().__init__(reject=reject)
        self.api = api


class Reader(reading.Reader):
    """Keys are named in camelCase, whichever way they came."""

    notes: Notes

    def __init__(self, value: Mapping[str, Any], path: str, notes: Notes) -> None:
        super().__init__(value, path, notes)

    @staticmethod
    def key(name: str) -> str:
        return camel_case(name)

    def enum(self, name: str, kind: WireEnum) -> str | None:
        """The name of an enum's value, None if it is absent or unspecified."""
        value = self.take(name)
        if value is None:
            return None
        found = kind.name(value, self.notes.api)
        if found is None:
            self.wrong(name, "is not a value of its enum: send its name")
        return None if found == kind.zero else found
