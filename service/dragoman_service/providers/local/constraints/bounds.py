"""Bounds of everything in a request that the engine would turn into a grammar."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator

from dragoman import v1

from dragoman_service.contract import FieldViolation, invalid
from dragoman_service.providers.local.constraints.expressions import ConstraintError, Grammar
from dragoman_service.providers.local.constraints.notation import RULES, read_grammar
from dragoman_service.providers.local.constraints.schema import SchemaCheck

TOOL_SCHEMAS = 262_144  # characters, of all tools together
_SMALL = 4096  # characters; checking more would hold up the other calls
_FORMAT = "generation_config.response_format"


async def check_constraints(request: v1.CompletionRequest) -> None:
    """Raises INVALID_FIELD for what would keep the engine busy or kill it, with the field and its bound."""
    wanted = request.generation_config.response_format
    if not request.tools and len(wanted.json_schema.schema_json) + len(wanted.grammar) <= _SMALL:
        violations = list(_violations(request))
    else:
        violations = await asyncio.to_thread(lambda: list(_violations(request)))
    if violations:
        raise invalid(*violations)


def _violations(request: v1.CompletionRequest) -> Iterator[FieldViolation]:
    wanted = request.generation_config.response_format
    checks: list[tuple[str, Callable[[str], None], str]] = []
    if wanted.HasField("json_schema"):
        checks.append((f"{_FORMAT}.json_schema.schema_json", _check_schema, wanted.json_schema.schema_json))
    elif wanted.HasField("grammar"):
        checks.append((f"{_FORMAT}.grammar", _check_grammar, wanted.grammar))
    tools = [tool.function.parameters_json_schema for tool in request.tools]
    total = sum(map(len, tools))
    if total > TOOL_SCHEMAS:
        yield FieldViolation("tools", f"has schemas of {total:,} characters; at most {TOOL_SCHEMAS:,}")
    else:
        path = "tools[{}].function.parameters_json_schema"
        checks += [(path.format(number), _check_schema, schema) for number, schema in enumerate(tools)]
    for field, check, text in checks:
        try:
            check(text)
        except ConstraintError as error:
            yield FieldViolation(field, f"{error} for the embedded model")


def _check_grammar(grammar: str) -> None:
    rules = read_grammar(grammar)
    if len(rules) > RULES:
        raise ConstraintError(f"has {len(rules):,} rules; at most {RULES:,}")
    Grammar(rules).check()


def _check_schema(schema: str) -> None:
    try:
        document = json.loads(schema)
    except RecursionError:
        raise ConstraintError("has too many arrays and objects within each other") from None
    except ValueError:
        return  # reported where the request is encoded
    SchemaCheck(document).check()
