"""What the settings say of the targets of one name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from dragoman_service.catalogue.aliases import matches

Choose = Literal["first", "weighted", "least_busy", "fastest"]
"""How targets of equal priority are ordered: as they are listed, at random by weight, or by drawing two at random of
which the less busy one, or the one that answers sooner, goes first."""


@dataclass(frozen=True, slots=True)
class Condition:
    """When a target may be asked. Everything that is given must agree."""

    input_tokens_under: int | None = None
    """The prompt has fewer tokens than this, by estimate."""
    callers: tuple[str, ...] = ()
    """Patterns of ids of API keys, of which one matches."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels that the request has, with these values."""

    def holds(self, caller: str, labels: Mapping[str, str], input_tokens: int) -> bool:
        """Whether a request meets the condition."""
        if self.input_tokens_under is not None and input_tokens >= self.input_tokens_under:
            return False
        if self.callers and not any(matches(pattern, caller) for pattern in self.callers):
            return False
        return all(labels.get(key) == value for key, value in self.labels.items())


@dataclass(frozen=True, slots=True)
class Rule:
    """One target of a name. Tiers of a lower `priority` are asked first."""

    weight: float = 1.0
    priority: int = 0
    when: Condition | None = None


PLAIN = Rule()


@dataclass(frozen=True, slots=True)
class Entry:
    """The targets of a name, by the full names of their models. A target without a rule has `PLAIN`."""

    choose: Choose = "first"
    rules: Mapping[str, Rule] = field(default_factory=dict)

    def rule(self, target: str) -> Rule:
        """The rule of a target."""
        return self.rules.get(target, PLAIN)
