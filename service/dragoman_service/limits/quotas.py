"""What the service knows of quotas: the limits of its callers, its prices, and the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from dragoman_service.limits.chain import Chain
from dragoman_service.limits.opening import Ledger
from dragoman_service.limits.prices import Prices


@dataclass(frozen=True, slots=True)
class Quotas:
    """Exists if the settings have limits, prices, or `usage.record`. `zone`: where days and months begin."""

    ledger: Ledger
    chain: Chain
    prices: Prices
    zone: str = "UTC"
