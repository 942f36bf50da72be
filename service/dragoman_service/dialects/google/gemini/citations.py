"""Citations, both ways. The API counts the UTF-8 bytes of a candidate's text, and we count its characters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from dragoman import v1

from dragoman_service.dialects.google.gemini.enums import Api

KEYS = {Api.GEMINI: "citationSources", Api.VERTEX: "citations"}
"""The key of the list: clients of one API drop the key of the other."""
_DATE = re.compile(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?")
_TEXTS = ("uri", "title", "license")


def encode_citations(citations: Iterable[v1.Citation], text: str, api: Api) -> dict[str, Any]:
    """The citation metadata of a candidate with that `text`; empty without citations."""
    listed = []
    for citation in citations:
        shown: dict[str, Any] = {
            "startIndex": _bytes(text, citation.start_index),
            "endIndex": _bytes(text, citation.end_index),
        }
        shown |= {name: value for name in _TEXTS if (value := getattr(citation, name))}
        if found := _DATE.fullmatch(citation.publication_date):
            shown["publicationDate"] = _date(found.groups())
        listed.append(shown)
    return {"citationMetadata": {KEYS[api]: listed}} if listed else {}


def decode_citations(metadata: object, text: str) -> list[v1.Citation]:
    """The citations of a candidate with that `text`. What makes no sense is left out."""
    lists = [metadata.get(key) for key in KEYS.values()] if isinstance(metadata, Mapping) else []
    found = next((values for values in lists if isinstance(values, list)), [])
    raw = text.encode(errors="replace")
    return [_citation(value, raw) for value in found if isinstance(value, Mapping)]


def _citation(value: Mapping[str, Any], raw: bytes) -> v1.Citation:
    citation = v1.Citation(
        start_index=_characters(raw, value, "startIndex"), end_index=_characters(raw, value, "endIndex")
    )
    if citation.end_index <= citation.start_index:
        citation.start_index = citation.end_index = 0
    for name in _TEXTS:
        words = value.get(name)
        setattr(citation, name, words if isinstance(words, str) else "")
    date = value.get("publicationDate")
    citation.publication_date = _written(date) if isinstance(date, Mapping) else ""
    return citation


def _bytes(text: str, characters: int) -> int:
    return len(text[:characters].encode(errors="replace"))


def _characters(raw: bytes, value: Mapping[str, Any], name: str) -> int:
    index = value.get(name)
    known = isinstance(index, int) and not isinstance(index, bool) and index > 0
    return len(raw[:index].decode(errors="ignore")) if known else 0


def _date(parts: tuple[str | None, ...]) -> dict[str, int]:
    return {name: int(part) for name, part in zip(("year", "month", "day"), parts, strict=True) if part}


def _written(date: Mapping[str, Any]) -> str:
    """A date as text, as much of it as is known."""
    parts = [date.get(name) for name in ("year", "month", "day")]
    known = []
    for part, width in zip(parts, (4, 2, 2), strict=True):
        if not isinstance(part, int) or not part:
            break
        known.append(f"{part:0{width}}")
    return "-".join(known)
