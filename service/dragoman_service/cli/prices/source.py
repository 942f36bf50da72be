"""What a list of published prices has to offer, whoever wrote it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Protocol

MOST_EXPENSIVE = 1_000_000  # US dollars for a million tokens, as in the settings
_NANO = Decimal("1e-9")
_REQUIRED = ("input", "output")

Rates = Mapping[str, Decimal]
"""US dollars for a million tokens, by the keys of the settings: `input`, `output`, `cached_input`, `cache_write`,
`reasoning`."""


class SourceError(Exception):
    """The list cannot be read; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Hints:
    """What the settings tell of a provider: the row of its vendor, the address of its upstream, its plugin."""

    vendor: str = ""
    base_url: str = ""
    plugin: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """The price of a model: its table for the settings, and what is to be known about it (or "")."""

    table: Mapping[str, Any]
    remark: str = ""


class Source(Protocol):
    """A list of prices. `providers` are its names for vendors."""

    title: str
    providers: Sequence[str]

    def provider(self, hints: Hints) -> str | None:
        """Its name for the vendor of a provider; None if it is not certain."""

    def price(self, provider: str, model: str) -> Published | None:
        """The price of a model by the vendor's name for it."""

    def models(self, provider: str) -> Sequence[str]:
        """All names of models of a vendor."""


def published(rates: Rates, tiers: Mapping[int, Rates], remark: str = "") -> Published | None:
    """The price with these rates, and with those of `tiers` above so many input tokens.

    A tier has what the one below it has, where it says nothing else. None without a price for both input and output,
    and for amounts that make no sense.
    """
    steps = [dict(rates)]
    for above in sorted(tiers):
        steps.append({**steps[-1], **tiers[above]})
    if any(name not in steps[0] for name in _REQUIRED):
        return None
    if not all(amount.is_finite() and 0 <= amount <= MOST_EXPENSIVE for step in steps for amount in step.values()):
        return None
    first, *rest = ({name: _text(amount) for name, amount in step.items()} for step in steps)
    table: dict[str, Any] = dict(first)
    if rest:
        table["tiers"] = [{"above": above} | step for above, step in zip(sorted(tiers), rest, strict=True)]
    return Published(table, remark)


def _text(amount: Decimal) -> str:
    """The amount as the settings have it, rounded to a billionth."""
    return format(amount.quantize(_NANO, ROUND_HALF_EVEN).normalize(), "f")
