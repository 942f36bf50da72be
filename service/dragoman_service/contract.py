"""The one shape that carries everything: a request and its call in, an iterator of events out.

A provider is `Complete`; a filter wraps one `Complete` in another; the engine picks one. Providers, filters and
frontends may import this module and `dragoman.v1`, and third-party plugins need import nothing but `dragoman.v1`,
since all types here are structural.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from dragoman import v1

from dragoman_service.errors import CompletionError, FieldViolation, invalid

__all__ = ["Call", "Complete", "CompletionError", "FieldViolation", "Filter", "Provider", "Tokenizer", "invalid"]

HOPS = "x-dragoman-hops"
"""The HTTP header, or gRPC metadata, in which one service tells the next how many there were."""


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks, until when, and whether they are watching."""

    id: str
    caller: str
    deadline: float | None = None
    """Loop time after which nobody waits any more."""
    streaming: bool = False
    """A hint: the folded answer must not depend on it."""
    hops: int = 0
    """Through how many services such as this one the request came here."""
    record: object = field(default=None, repr=False, compare=False)
    """The call's log record, which the service and its metering filter write to. None if the call has no log line."""

    @property
    def onward(self) -> Mapping[str, str]:
        """Headers, or metadata, for an upstream that may be such a service too."""
        return {HOPS: str(self.hops + 1)}


def parse_hops(value: str | bytes) -> int:
    """The hops that a header tells; what no such service writes tells none."""
    return int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,4}", value) else 0


Complete = Callable[[v1.CompletionRequest, Call], AsyncIterator[v1.CompletionEvent]]
Filter = Callable[[Complete], Complete]


class Provider(Protocol):
    """One upstream. Laws (`dragoman_service.testing.ProviderLaws`):

    1. the last event of a choice, and only the last, is its `choice_finished`
    2. no event is empty; an event handed on is never touched again
    3. failure is a CompletionError; silence is never an answer
    4. closing the iterator stops the upstream's work
    5. calls run side by side and share nothing but connections

    A provider yields `delta`, `choice_finished` and `usage` events; `started`, `finished`, numbers and times are the
    service's. The request's `model` is the provider's own name of it, one of `models()`'s `provider_model`.
    """

    def models(self) -> Sequence[v1.Model]:
        """The models as they are now. `provider_model` is required; the service fills in `name` and `provider`."""
        ...

    def complete(self, request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]: ...


@runtime_checkable
class Tokenizer(Protocol):
    """What a provider has besides if its models list CAPABILITY_COUNT_TOKENS or CAPABILITY_TOKENIZE."""

    async def count_tokens(self, request: v1.CompletionRequest, call: Call) -> v1.CountTokensResponse: ...

    async def tokenize(self, request: v1.TokenizeRequest, call: Call) -> v1.TokenizeResponse: ...
