"""What a caller may choose about the operation itself, apart from its completion."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StartOptions:
    """None, or an empty `operation_id`, means the default of the service."""

    operation_id: str = ""
    """The last part of the operation's name."""
    ttl: float | None = None
    """Seconds that the operation is kept after its end."""
    max_attempts: int | None = None
    """How many workers it may lose before it fails."""
    priority: int = 0
    """Operations with a higher priority are claimed first."""
    trace: str | None = None
    """The `traceparent` of the call that starts it, which its caller does not choose."""
    keep_request: bool = False
    """Keep the request as long as the answer."""
    note: str = ""
    """What the frontend has to know of the operation later and no field stands for. Other frontends do not show it."""
