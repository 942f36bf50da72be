"""What the vendor's models can do, by their names: those of each generation accept other parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dragoman_service.dialects.anthropic.supported import SUPPORTED_FIELDS

DEFAULT_MAX_TOKENS = 32_000
"""Most tokens of an answer, which the vendor demands to be told, of models whose own limit is not known."""
_SAMPLING = frozenset(f"generation_config.{name}" for name in ("temperature", "top_p", "top_k"))


@dataclass(frozen=True, slots=True)
class Traits:
    """What one model accepts."""

    max_tokens: int = DEFAULT_MAX_TOKENS
    """Most tokens of an answer."""
    adaptive: bool = True
    """It decides itself how much to think, guided by an effort."""
    budgets: bool = True
    """It thinks for as many tokens as it is told."""
    sampling: bool = True
    """It takes a temperature, `top_p` and `top_k`."""
    system_turns: bool = True
    """It takes instructions in the middle of a conversation."""

    @property
    def supported_fields(self) -> tuple[str, ...]:
        """As in `Model.supported_fields`."""
        return tuple(path for path in SUPPORTED_FIELDS if self.sampling or path not in _SAMPLING)


_VENDORS_OWN = re.compile(r"claude[-.@]")
_GENERATIONS = (
    (re.compile(r"claude-(?:instant|2|3)"), Traits(max_tokens=4096, adaptive=False, system_turns=False)),
    (
        re.compile(r"claude-[a-z]+-4(?:-[015])?(?:[-@]\d{8}|$)"),
        Traits(adaptive=False, system_turns=False),
    ),
    (re.compile(r"claude-[a-z]+-4-6"), Traits(system_turns=False)),
    (re.compile(r"claude-[a-z]+-4-7"), Traits(budgets=False, sampling=False, system_turns=False)),
)
_NEWEST = Traits(budgets=False, sampling=False)


def traits_of(model: str) -> Traits:
    """The traits of a model, whose name may have that of a publisher in front. One of another vendor may have all."""
    name = model.rpartition("/")[2]
    for generation, traits in _GENERATIONS:
        if generation.match(name):
            return traits
    return _NEWEST if _VENDORS_OWN.match(name) else Traits()
