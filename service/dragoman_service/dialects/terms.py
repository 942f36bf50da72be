"""Our field paths in a vendor's terms, because its programs know no others."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from dragoman_service.errors import CompletionError, FieldViolation

_POLICY = (
    r", choose another model, or set unsupported_field_policy to WARN\. Supported: .*",
    " or choose another model.",
)
"""Advice about a field that vendors do not have."""


class Terms:
    """`terms` are patterns of our paths and the vendor's paths. A translated path must match none of them."""

    def __init__(self, terms: Iterable[tuple[str, str]]) -> None:
        self._terms = tuple((re.compile(pattern), term) for pattern, term in (*terms, _POLICY))

    def name(self, text: str) -> str:
        """A path, or a text that holds paths, in the vendor's terms."""
        for pattern, term in self._terms:
            text = pattern.sub(term, text)
        return text

    def error(self, error: CompletionError) -> CompletionError:
        """The error with the vendor's field paths instead of ours."""
        if not error.fields:
            return error
        fields = tuple(FieldViolation(self.name(wrong.field), self.name(wrong.description)) for wrong in error.fields)
        return replace(error, message=self.name(error.message), fields=fields)
