"""Encodes how to generate the answer: limits, sampling, thinking, effort and format."""

from __future__ import annotations

from typing import Any

import orjson
from dragoman import v1

from dragoman_service.dialects.anthropic.client.traits import Traits
from dragoman_service.dialects.anthropic.efforts import BUDGETS, LEAST_BUDGET, NAMES

Wire = dict[str, Any]
_DISPLAYS = {v1.REASONING_VISIBILITY_VISIBLE: "summarized", v1.REASONING_VISIBILITY_HIDDEN: "omitted"}


def encode_config(config: v1.GenerationConfig, traits: Traits) -> Wire:
    """The keys of the config. The limit of tokens is always there, because the vendor demands it."""
    encoded: Wire = {
        "max_tokens": config.max_output_tokens if config.HasField("max_output_tokens") else traits.max_tokens
    }
    for name in ("temperature", "top_p", "top_k"):
        if config.HasField(name):
            encoded[name] = getattr(config, name)
    if config.stop_sequences:
        encoded["stop_sequences"] = list(config.stop_sequences)
    output: Wire = {}
    if config.HasField("reasoning"):
        encoded |= _thinking(config.reasoning, traits, encoded["max_tokens"], output)
    if config.response_format.HasField("json_schema"):
        schema = orjson.loads(config.response_format.json_schema.schema_json)
        output["format"] = {"type": "json_schema", "schema": schema}
    return encoded | ({"output_config": output} if output else {})


def _thinking(reasoning: v1.ReasoningConfig, traits: Traits, limit: int, output: Wire) -> Wire:
    """The key about thinking. Efforts go to `output`; models that know one of effort and budget get the closest."""
    effort = reasoning.effort
    budget = reasoning.budget_tokens if reasoning.HasField("budget_tokens") else BUDGETS.get(effort)
    if effort == v1.REASONING_EFFORT_NONE or budget == 0:
        return {"thinking": {"type": "disabled"}}
    display = {"display": name} if (name := _DISPLAYS.get(reasoning.visibility)) else {}
    if budget is None:  # only whether it is shown
        visible = reasoning.visibility == v1.REASONING_VISIBILITY_VISIBLE
        return {"thinking": {"type": "adaptive", **display}} if traits.adaptive and visible else {}
    counted = reasoning.HasField("budget_tokens") and traits.budgets
    if traits.adaptive and not counted:
        output["effort"] = NAMES[effort or _closest(budget)]
        return {"thinking": {"type": "adaptive", **display}}
    budget = min(max(budget, LEAST_BUDGET), limit - 1)
    if budget < LEAST_BUDGET:  # it leaves no room to think
        return {"thinking": {"type": "disabled"}}
    return {"thinking": {"type": "enabled", "budget_tokens": budget, **display}}


def _closest(budget: int) -> int:
    """The smallest effort for that many tokens."""
    return next((effort for effort, most in BUDGETS.items() if budget <= most), v1.REASONING_EFFORT_MAX)
