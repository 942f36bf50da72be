"""How long calls may take."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds that a call may take: `default` if the caller sets no deadline, and at most `longest`."""

    default: float = 600.0
    longest: float = 3600.0

    def until(self, remaining: float | None) -> float:
        """The loop time at which a call ends whose caller waits for `remaining` seconds (None: no deadline set)."""
        limit = self.default if remaining is None else min(remaining, self.longest)
        return asyncio.get_running_loop().time() + max(limit, 0.0)
