"""Counts what a call has used, from its events."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from dragoman import v1

from dragoman_service.catalogue.estimates import RATIO


@dataclass(frozen=True, slots=True)
class Used:
    """What one attempt used. `outcome` is `ok`, `failed` or `cancelled`."""

    number: int
    provider: str
    served_model: str
    usage: v1.Usage
    outcome: str

    @property
    def model(self) -> str:
        """The full name."""
        return f"{self.provider}/{self.served_model}"


@dataclass(slots=True)
class Count:
    """What a call has used so far. `input`: tokens of its prompt, by an estimate."""

    input: int
    started: v1.Started | None = None
    """Of the attempt that answers."""
    usage: v1.Usage | None = None
    """What the provider told last."""
    _told: int = 0  # output tokens that it told
    _bytes: int = 0  # of text since then
    _deltas: int = 0
    _failed: dict[int, v1.Attempt] = field(default_factory=dict)

    def add(self, event: v1.CompletionEvent) -> None:
        """Takes an event as the caller sees it."""
        if event.HasField("delta"):
            self._deltas += 1
            self._bytes += _size(event.delta)
        elif event.HasField("usage"):
            self.usage, self._told = event.usage, event.usage.output_tokens
            self._bytes = self._deltas = 0
        elif event.HasField("started") and event.started.provider:  # none: a filter answers, and asks no provider
            self.started = event.started
        elif event.HasField("attempt") and self.started is None:  # afterwards it is that of the one that answers
            self._failed[event.attempt.number] = event.attempt

    @property
    def output(self) -> int:
        """Tokens of the answer: what the provider told, and an estimate of what came since."""
        return self._told + max(self._deltas, math.ceil(self._bytes / RATIO))

    @property
    def anything(self) -> bool:
        """Whether a provider was asked, as far as the events tell."""
        return self.started is not None or bool(self._failed)

    @property
    def model(self) -> str:
        """Full name of the model that answers. Call it once there is one."""
        return f"{self.started.provider}/{self.started.served_model}" if self.started else ""

    @property
    def is_estimated(self) -> bool:
        """Whether the provider has not told usage since the last piece of the answer."""
        return self.usage is None or bool(self._deltas)

    def answered(self) -> v1.Usage:
        """Usage of the attempt that answers. What the provider did not tell is estimated."""
        usage = v1.Usage()
        if self.usage is not None:
            usage.CopyFrom(self.usage)
        if self.is_estimated:
            usage.input_tokens = usage.input_tokens or self.input
            usage.output_tokens = self.output
            usage.total_tokens = usage.input_tokens + usage.output_tokens
            usage.estimated = True
        return usage

    def attempts(self, outcome: str) -> Iterator[Used]:
        """What each attempt used. `outcome`: that of the one that answers."""
        for number, attempt in sorted(self._failed.items()):
            yield Used(number, attempt.provider, attempt.model, attempt.usage, "failed")
        if self.started is not None:
            number = next(number for number in range(1, len(self._failed) + 2) if number not in self._failed)
            yield Used(number, self.started.provider, self.started.served_model, self.answered(), outcome)


def _size(delta: v1.Delta) -> int:
    """Bytes of what the delta adds to the answer."""
    kind = delta.WhichOneof("content")
    if kind == "tool_call":
        return len(delta.tool_call.name) + len(delta.tool_call.arguments_json.encode())
    if kind is None:
        return 0
    text: str = getattr(delta, kind)
    return len(text) if text.isascii() else len(text.encode())
