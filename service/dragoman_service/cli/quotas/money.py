"""Amounts of money for people and for files."""

from __future__ import annotations

from decimal import Decimal

from dragoman_service.settings.types import NANO

_CENTS = Decimal("0.01")


def dollars(nano_usd: int) -> str:
    """The exact amount in US dollars, with at least two decimals: 12.50 for 12,500,000,000."""
    exact = (Decimal(nano_usd) / NANO).normalize()
    return f"{exact.quantize(_CENTS) if exact == exact.quantize(_CENTS) else exact:f}"
