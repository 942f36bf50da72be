"""How long a target takes to its first output."""

from __future__ import annotations

from collections import deque

SMOOTHING = 0.2  # weight of the newest time
SAMPLES = 256  # that percentiles are taken from
ENOUGH = 100  # samples for a percentile
STALE = 60.0  # seconds after which the smoothed time of a target that nobody asks tells nothing any more


class Latency:
    """Seconds to the first output of one target: a smoothed value, and a percentile."""

    def __init__(self) -> None:
        self.smoothed: float | None = None
        """None: nothing was measured."""
        self._samples: deque[float] = deque(maxlen=SAMPLES)
        self._measured = 0.0

    def record(self, seconds: float, now: float) -> None:
        """A first output came after `seconds`."""
        self.smoothed = seconds if self.smoothed is None else self.smoothed + SMOOTHING * (seconds - self.smoothed)
        self._samples.append(seconds)
        self._measured = now

    def current(self, now: float) -> float | None:
        """The smoothed time, unless it is stale: a target that was slow once gets another chance."""
        return self.smoothed if now - self._measured <= STALE else None

    def percentile(self, share: float) -> float | None:
        """A percentile of the times; None: too few were measured."""
        if len(self._samples) < ENOUGH:
            return None
        return sorted(self._samples)[min(int(len(self._samples) * share), len(self._samples) - 1)]
