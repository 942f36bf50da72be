"""How much a model reasons: an amount for providers that know no numbers of tokens."""

from __future__ import annotations

from collections.abc import Collection

from dragoman import v1

BUDGET = "generation_config.reasoning.budget_tokens"
"""The path in `Model.supported_fields` of providers that know numbers of tokens."""
_EFFORTS = (
    (0, v1.REASONING_EFFORT_NONE),
    (1024, v1.REASONING_EFFORT_LOW),
    (8192, v1.REASONING_EFFORT_MEDIUM),
)
"""The largest budget, in tokens, of each amount. A larger one is HIGH."""


def fit_reasoning(reasoning: v1.ReasoningConfig, honoured: Collection[str]) -> None:
    """Replaces the number of tokens by the closest amount, unless `honoured` has `BUDGET`."""
    if BUDGET not in honoured:
        budget = reasoning.budget_tokens
        reasoning.ClearField("budget_tokens")
        reasoning.effort = next((effort for most, effort in _EFFORTS if budget <= most), v1.REASONING_EFFORT_HIGH)
