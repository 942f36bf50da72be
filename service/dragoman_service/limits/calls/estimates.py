"""Estimates how many tokens a prompt has, and learns from what providers have counted."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque

from dragoman_service.catalogue.estimates import RATIO

LEAST, MOST = 1.0, 8.0  # bytes in a token: bounds of what is learned
WINDOW = 64  # calls that the ratio of a model is learned from
EVERY = 8  # calls between two looks at them, because sorting with every call would cost more than it tells
PERCENTILE = 0.1  # of their ratios: the safe side, because a lower ratio means more tokens
MODELS = 1024  # of which ratios are kept


class Estimates:
    """One for all calls of a process. Models have their full names."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()
        self._ratios: dict[str, float] = {}
        self._learned: Counter[str] = Counter()

    def tokens(self, size: int, model: str) -> int:
        """Tokens of a prompt of `size` bytes at `model`, at least 1."""
        return max(1, round(size / self._ratios.get(model, RATIO)))

    def learn(self, model: str, size: int, tokens: int) -> None:
        """A prompt of `size` bytes had `tokens` tokens, by the provider's own count."""
        if size <= 0 or tokens <= 0:
            return
        seen = self._seen.get(model)
        if seen is None:
            seen = self._seen[model] = deque(maxlen=WINDOW)
            if len(self._seen) > MODELS:
                oldest, _ = self._seen.popitem(last=False)
                self._ratios.pop(oldest, None)
                del self._learned[oldest]
        seen.append(min(max(size / tokens, LEAST), MOST))
        self._learned[model] += 1
        if self._learned[model] % EVERY == 0:
            self._ratios[model] = sorted(seen)[int(len(seen) * PERCENTILE)]
