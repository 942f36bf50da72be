"""JSON schemas: how deep they are, and how many values the engine has to tell apart at one place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman_service.providers.local.constraints.expressions import (
    ALTERNATIVES,
    REPETITIONS,
    ConstraintError,
    Grammar,
)
from dragoman_service.providers.local.constraints.notation import read_pattern

DEPTH = 64  # schemas within each other
PATTERN = 2048  # characters
PROPERTIES = (
    1024  # that are optional, of all objects together; the engine's work grows with the square of each object's
)
_MINIMA = ("minLength", "minItems")
_UNIONS = ("anyOf", "oneOf")


class SchemaCheck:
    """Checks one document. `check` raises ConstraintError."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self._ways: dict[str, int] = {}
        self._optional = 0

    def check(self) -> None:
        self._visit(self._document, 1)

    def _visit(self, schema: Any, depth: int) -> int:
        """The number of ways in which a value may begin."""
        if depth > DEPTH:
            raise ConstraintError(f"has more than {DEPTH} schemas within each other")
        if not isinstance(schema, Mapping):
            return 1
        for keyword in _MINIMA:
            least = schema.get(keyword)
            if isinstance(least, int | float) and least > REPETITIONS:
                raise ConstraintError(f"has a {keyword} of {least:,}; at most {REPETITIONS:,}")
        self._visit_pattern(schema.get("pattern"))
        self._visit_parts(schema, depth)
        ways = self._count(schema, depth)
        if ways > ALTERNATIVES:
            raise ConstraintError(f"has {ways:,} alternatives at one place; at most {ALTERNATIVES}")
        return ways

    def _visit_pattern(self, pattern: Any) -> None:
        if not isinstance(pattern, str):
            return
        if len(pattern) > PATTERN:
            raise ConstraintError(f"has a pattern of {len(pattern):,} characters; at most {PATTERN:,}")
        try:
            Grammar({"pattern": read_pattern(pattern)}).check()
        except ConstraintError as error:
            raise ConstraintError(f"has a pattern that {error}") from None

    def _visit_parts(self, schema: Mapping[str, Any], depth: int) -> None:
        """Visits the schemas of properties and items. The number of optional properties is that of ways to go on."""
        properties, required = schema.get("properties"), schema.get("required")
        names = set(required) if isinstance(required, list) and all(isinstance(n, str) for n in required) else set()
        if isinstance(properties, Mapping):
            optional = len(properties.keys() - names)
            if optional > ALTERNATIVES:
                raise ConstraintError(f"has {optional:,} optional properties in one object; at most {ALTERNATIVES}")
            self._optional += optional
            if self._optional > PROPERTIES:
                raise ConstraintError(f"has more than {PROPERTIES:,} optional properties in all")
            for part in properties.values():
                self._visit(part, depth + 1)
        for keyword in ("items", "prefixItems"):
            parts = schema.get(keyword)
            for part in parts if isinstance(parts, list) else [parts]:
                self._visit(part, depth + 1)
        self._visit(schema.get("additionalProperties"), depth + 1)

    def _count(self, schema: Mapping[str, Any], depth: int) -> int:
        ways = 0
        reference = schema.get("$ref")
        if isinstance(reference, str):
            ways += self._visit_reference(reference, depth)
        for keyword in _UNIONS:
            options = schema.get(keyword)
            if isinstance(options, list):
                ways += sum(self._visit(option, depth + 1) for option in options)
        all_of = schema.get("allOf")
        if isinstance(all_of, list):
            ways = max([ways, *(self._visit(part, depth + 1) for part in all_of)])
        for keyword in ("enum", "type"):
            values = schema.get(keyword)
            ways += len(values) if isinstance(values, list) else 0
        return ways or 1

    def _visit_reference(self, reference: str, depth: int) -> int:
        """Visits what a reference leads to, once. Meanwhile it counts as one way, which ends a recursive schema."""
        if reference not in self._ways:
            self._ways[reference] = 1
            self._ways[reference] = self._visit(self._resolve(reference), depth + 1)
        return self._ways[reference]

    def _resolve(self, reference: str) -> Any:
        found = self._document
        for name in reference.removeprefix("#").split("/")[1:]:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found
