"""The generation config: numbers in their ranges, known enum values, valid schemas."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dragoman import v1

from dragoman_service.errors import FieldViolation
from dragoman_service.validation import limits
from dragoman_service.validation.wording import out_of_range, schema_violations, too_many, unknown_value

_EFFORTS = frozenset(v1.ReasoningEffort.values())
_VISIBILITIES = frozenset(v1.ReasoningVisibility.values())

# field: what is allowed, and whether a value is allowed
_RANGES: dict[str, tuple[str, Callable[[float], bool]]] = {
    "max_output_tokens": (f"from 1 to {limits.OUTPUT_TOKENS}", lambda n: 1 <= n <= limits.OUTPUT_TOKENS),
    "temperature": ("from 0 to 2", lambda n: 0 <= n <= 2),
    "top_p": ("from 0 to 1", lambda n: 0 <= n <= 1),
    "top_k": (f"from 1 to {limits.TOP_K}", lambda n: 1 <= n <= limits.TOP_K),
    "min_p": ("from 0 to 1", lambda n: 0 <= n <= 1),
    "choice_count": (f"from 1 to {limits.CHOICES}", lambda n: 1 <= n <= limits.CHOICES),
    "presence_penalty": ("from -2 to 2", lambda n: -2 <= n <= 2),
    "frequency_penalty": ("from -2 to 2", lambda n: -2 <= n <= 2),
    "repetition_penalty": ("above 0 and at most 2", lambda n: 0 < n <= 2),
    "top_logprobs": (f"from 0 to {limits.TOP_LOGPROBS}", lambda n: 0 <= n <= limits.TOP_LOGPROBS),
}


def config_violations(config: v1.GenerationConfig, at: str) -> Iterator[FieldViolation]:
    """Mistakes in `config`, whose path is `at`."""
    for descriptor, value in config.ListFields():
        name = descriptor.name
        if name in _RANGES and not _RANGES[name][1](value):
            yield out_of_range(f"{at}.{name}", value, _RANGES[name][0])
    if config.top_logprobs and not config.include_logprobs:
        yield FieldViolation(f"{at}.top_logprobs", "needs include_logprobs")
    if config.stop_sequences:
        yield from _stops(config, f"{at}.stop_sequences")
    if config.HasField("reasoning"):
        yield from _reasoning(config.reasoning, f"{at}.reasoning")
    if config.HasField("response_format"):
        yield from _format(config.response_format, f"{at}.response_format")


def _reasoning(reasoning: v1.ReasoningConfig, at: str) -> Iterator[FieldViolation]:
    if not reasoning.ListFields():
        yield FieldViolation(at, "is empty: set effort, budget_tokens or visibility")
    if reasoning.effort not in _EFFORTS:
        yield unknown_value(f"{at}.effort", v1.ReasoningEffort)
    if reasoning.visibility not in _VISIBILITIES:
        yield unknown_value(f"{at}.visibility", v1.ReasoningVisibility)
    if reasoning.effort and reasoning.HasField("budget_tokens"):
        yield FieldViolation(f"{at}.budget_tokens", "replaces effort: set one of the two")
    if not 0 <= reasoning.budget_tokens <= limits.OUTPUT_TOKENS:
        yield out_of_range(f"{at}.budget_tokens", reasoning.budget_tokens, f"from 0 to {limits.OUTPUT_TOKENS}")


def _stops(config: v1.GenerationConfig, at: str) -> Iterator[FieldViolation]:
    count = len(config.stop_sequences)
    if count > limits.STOP_SEQUENCES:
        yield too_many(at, count, limits.STOP_SEQUENCES, "sequences")
        return
    for number, stop in enumerate(config.stop_sequences):
        if not 1 <= len(stop) <= limits.STOP_SEQUENCE:
            yield FieldViolation(f"{at}[{number}]", f"must have 1 to {limits.STOP_SEQUENCE} characters")


def _format(wanted: v1.ResponseFormat, at: str) -> Iterator[FieldViolation]:
    match wanted.WhichOneof("format"):
        case None:
            yield FieldViolation(at, "is empty: set one of json_object, json_schema, grammar")
        case "json_schema":
            yield from schema_violations(wanted.json_schema.schema_json, f"{at}.json_schema.schema_json")
        case "grammar":
            if not 1 <= len(wanted.grammar) <= limits.SCHEMA:
                yield FieldViolation(f"{at}.grammar", f"must have 1 to {limits.SCHEMA} characters")
