"""What a caller may ask of an operation itself, besides its completion."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StartOptions:
    """None, and an empty `operation_id`: as the service does it."""

    operation_id: str = ""
    """The last part of the operation's name."""
    ttl: float | None = None
    """Seconds that it is kept after its end."""
    max_attempts: int | None = None
    """How often workers may be lost at it before it fails."""
    priority: int = 0
    """Those with a higher one are taken up first."""
