"""Schemas, patterns and grammars that would keep the engine busy or kill it are refused before it sees them."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Any

import pytest
from dragoman import v1
from dragoman_service.contract import CompletionError
from dragoman_service.providers.local.constraints.bounds import check_constraints
from local_asking import request

FIELD = "generation_config.response_format"


def grammar(text: str) -> v1.CompletionRequest:
    asked = request("user: hi")
    asked.generation_config.response_format.grammar = text
    return asked


def schema(value: Any) -> v1.CompletionRequest:
    asked = request("user: hi")
    asked.generation_config.response_format.json_schema.schema_json = json.dumps(value)
    return asked


def pattern(text: str) -> v1.CompletionRequest:
    return schema({"type": "object", "properties": {"a": {"type": "string", "pattern": text}}})


def nested(depth: int) -> dict[str, Any]:
    return {"type": "array", "items": nested(depth - 1)} if depth else {"type": "string"}


def rules(count: int, body: str, last: str) -> str:
    """A grammar in which each rule has that body, with the number of the next rule for `{n}`."""
    chain = [f"r{number} ::= {body.format(n=number + 1)}" for number in range(count)]
    return "\n".join(["root ::= r0", *chain, f"r{count} ::= {last}"])


REFUSED = {
    "a repetition of a repetition": (
        pattern("^((a{0,100}){0,100}){0,100}$"),
        "repeats a repetition more than 2,000 times in all",
    ),
    "a repetition of nothing": (pattern("^(a?){200}$"), "repeats 200 times what may be empty; at most 16"),
    "optional parts in a row": (pattern("a?" * 17), "has 17 parts in a row that may be left out; at most 16"),
    "optional parts by doubling": (
        grammar(rules(30, "r{n} r{n}", '"a"?')),
        "has 32 parts in a row that may be left out; at most 16",
    ),
    "a long pattern": (pattern("a" * 2049), "has a pattern of 2,049 characters; at most 2,048"),
    "parentheses": (
        grammar("root ::= " + "(" * 30000 + '"a"' + ")" * 30000),
        "has more than 32 groups within each other",
    ),
    "parentheses of a pattern": (pattern("(?:" * 33 + "a" + ")" * 33), "has more than 32 groups within each other"),
    "question marks": (grammar('root ::= "a"' + "?" * 300), "has more than 150 rules and groups within each other"),
    "a chain of rules": (grammar(rules(200, "r{n}", '"a"')), "has more than 150 rules and groups within each other"),
    "many rules": (grammar(rules(2000, '"a" r{n}', '"a"')), "has 2,002 rules; at most 2,000"),
    "a rule that begins with itself": (grammar('root ::= root "a" | "b"'), "a rule begins with itself"),
    "alternatives": (
        grammar("root ::= " + " | ".join(f'"v{n}"' for n in range(257))),
        "has 257 alternatives at one place; at most 256",
    ),
    "alternatives by doubling": (
        grammar(rules(30, "r{n} | r{n}", '"a"')),
        "has 512 alternatives at one place; at most 256",
    ),
    "required repetitions": (grammar('root ::= "a"{2001}'), "requires 2,001 repetitions; at most 2,000"),
    "a long literal, repeated": (
        grammar('root ::= "' + "a" * 2000 + '"{100}'),
        "has 200,000 characters with all repetitions written out; at most 100,000",
    ),
    "an enumeration": (
        schema({"enum": [f"value{n}" for n in range(4000)]}),
        "has 4,000 alternatives at one place; at most 256",
    ),
    "enumerations in a union": (
        schema({"anyOf": [{"enum": [n, n + 0.5]} for n in range(129)]}),
        "has 258 alternatives at one place; at most 256",
    ),
    "references by doubling": (
        schema(
            {
                "$ref": "#/$defs/r0",
                "$defs": {f"r{n}": {"anyOf": [{"$ref": f"#/$defs/r{n + 1}"}] * 2} for n in range(24)},
            }
        ),
        "has 512 alternatives at one place; at most 256",
    ),
    "optional properties": (
        schema({"type": "object", "properties": {f"p{n}": {} for n in range(257)}}),
        "has 257 optional properties in one object; at most 256",
    ),
    "optional properties of many objects": (
        schema({"prefixItems": [{"type": "object", "properties": {f"p{n}": {} for n in range(256)}}] * 5}),
        "has more than 1,024 optional properties in all",
    ),
    "schemas within each other": (schema(nested(64)), "has more than 64 schemas within each other"),
    "a minimum": (schema({"type": "array", "minItems": 10**9}), "has a minItems of 1,000,000,000; at most 2,000"),
}

SERVED = {
    "a date": pattern(r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?)?$"),
    "an address": pattern(r"^[\w.%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,63}$"),
    "brackets and braces": pattern(r"^[\](){}|*+?]{1,50}\{x\}\|$"),
    "a long text": schema({"type": "string", "minLength": 1, "maxLength": 1_000_000}),
    "a tree": schema(
        {
            "$ref": "#/$defs/node",
            "$defs": {
                "node": {
                    "type": "object",
                    "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
                }
            },
        }
    ),
    "an enumeration": schema({"enum": [f"value{n}" for n in range(256)]}),
    "required properties": schema(
        {"type": "object", "properties": {f"p{n}": {} for n in range(500)}, "required": [f"p{n}" for n in range(500)]}
    ),
    "words": grammar('root ::= ("la " [a-z]){1500}'),
    "JSON": grammar(
        'root ::= object # comment with "quotes" and (\n'
        'value ::= object | array | string | number | ("true" | "false" | "null") ws\n'
        'object ::= "{" ws (string ":" ws value ("," ws string ":" ws value)*)? "}" ws\n'
        'array ::= "[" ws (value ("," ws value)*)? "]" ws\n'
        'string ::= "\\"" ([^"\\\\\\x7F\\x00-\\x1F] | "\\\\" (["\\\\bfnrt] | "u" [0-9a-fA-F]{4}))* "\\"" ws\n'
        'number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws\n'
        'ws ::= | " " | "\\n" [ \\t]{0,20}\n'
    ),
    "an expression": grammar(
        'root ::= term (("+" | "-") term)*\nterm ::= num | "(" root ")"\nnum ::=\n  [0-9]+\n  | "x"'
    ),
}


@pytest.mark.parametrize(("asked", "bound"), REFUSED.values(), ids=REFUSED)
async def test_what_would_stop_the_engine_is_refused_with_its_field_and_the_bound(
    asked: v1.CompletionRequest, bound: str
) -> None:
    with pytest.raises(CompletionError) as refused:
        await check_constraints(asked)
    (violation,) = refused.value.fields

    kind = asked.generation_config.response_format.WhichOneof("format")
    assert refused.value.reason == v1.ERROR_REASON_INVALID_FIELD
    assert violation.field == f"{FIELD}.{'grammar' if kind == 'grammar' else 'json_schema.schema_json'}"
    assert bound in violation.description
    assert violation.description.endswith("for the embedded model")


@pytest.mark.parametrize("asked", SERVED.values(), ids=SERVED)
async def test_what_programs_ask_for_is_not_refused(asked: v1.CompletionRequest) -> None:
    await check_constraints(asked)


@pytest.mark.parametrize(
    "text", ["[" * 60_000, '"' * 60_000, '"a"{1,' + " " * 60_000, "(" * 30 + '"a"? ' * 12_000, "<" * 60_000]
)
async def test_a_check_takes_no_quadratic_time(text: str) -> None:
    """Each of these would take minutes with a pattern that looks for its end again at each place."""
    with pytest.raises(CompletionError) if "?" in text else nullcontext():
        await check_constraints(grammar(f"root ::= {text}"))


async def test_the_schemas_of_tools_are_bounded_too() -> None:
    asked = request("user: hi")
    asked.tools.add(function=v1.FunctionTool(name="fine", parameters_json_schema="{}"))
    asked.tools.add(function=v1.FunctionTool(name="poison", parameters_json_schema=json.dumps(nested(64))))
    with pytest.raises(CompletionError) as refused:
        await check_constraints(asked)
    for _ in range(5):
        asked.tools.add(
            function=v1.FunctionTool(name="long", parameters_json_schema=json.dumps({"title": "a" * 60_000}))
        )
    with pytest.raises(CompletionError) as too_much:
        await check_constraints(asked)

    assert [violation.field for violation in refused.value.fields] == ["tools[1].function.parameters_json_schema"]
    assert [violation.field for violation in too_much.value.fields] == ["tools"]
    assert "at most 262,144" in too_much.value.fields[0].description
