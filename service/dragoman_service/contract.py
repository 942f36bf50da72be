"""The one shape that everything has: a request and its call in, an iterator of events out.

A provider has a `Complete`, a filter wraps one `Complete` in another, and the engine picks one. Third-party plugins
need to import only `dragoman.v1`, because all types here are structural.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from dragoman import v1

from dragoman_service.errors import CompletionError, FieldViolation, QuotaViolation, invalid

__all__ = [
    "Call",
    "Complete",
    "CompletionError",
    "Concerns",
    "FieldViolation",
    "Filter",
    "Hints",
    "InBatches",
    "Observe",
    "Observer",
    "Provider",
    "QuotaViolation",
    "Tokenizer",
    "Whole",
    "WholeAnswers",
    "invalid",
    "one_by_one",
]

HOPS = "x-dragoman-hops"
"""HTTP header or gRPC metadata key with the number of services that a request has passed through."""


@dataclass(frozen=True, slots=True)
class Hints:
    """What headers or metadata say of a request whose dialect may have no fields for it. Fields of the request win."""

    priority: int = 0
    """CompletionRequest.priority."""
    session: str = ""
    """RoutingOptions.session."""


class Trace(Protocol):
    """The span of a call, of a run of an operation, or of an attempt."""

    @property
    def id(self) -> str:
        """The id of its trace."""
        ...

    @property
    def onward(self) -> Mapping[str, str]:
        """Headers that make it the parent of what an upstream does: `traceparent`, and `tracestate` if there is one."""
        ...


@dataclass(slots=True)
class Whole:
    """Whether the answer to a call may be fetched as a whole, and whether it is."""

    allowed: bool = False
    """The caller sees nothing of the answer before its end."""
    asked: bool = False
    """The attempt under way gets the answer as a whole, so that the time of its first event says nothing. See
    `WholeAnswers`."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its caller, its deadline, and whether the caller reads a stream."""

    id: str
    caller: str
    deadline: float | None = None
    """Loop time at which the call ends. None: no deadline."""
    streaming: bool = False
    """Whether the caller reads a stream. A hint: the folded answer must not depend on it."""
    hops: int = 0
    """Number of Dragoman services that the request has passed through before this one."""
    record: object = field(default=None, repr=False, compare=False)
    """The call's log record, which the service and its metering filter write to. None if the call has no log line."""
    headers: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
    """What the service tells the caller beside the answer: response headers over HTTP, trailing metadata over gRPC.
    Over HTTP those count that are there when the response begins."""
    hints: Hints | None = field(default=None, repr=False, compare=False)
    """What the headers of the call say of its request."""

    trace: Trace | None = field(default=None, repr=False, compare=False)
    """The span that this call is a part of. None: there are no traces."""
    whole: Whole = field(default_factory=Whole, repr=False, compare=False)

    @property
    def onward(self) -> Mapping[str, str]:
        """Headers or metadata for the upstream, which may be another Dragoman service."""
        hops = {HOPS: str(self.hops + 1)}
        return hops if self.trace is None else {**hops, **self.trace.onward}


def parse_hops(value: str | bytes) -> int:
    """The hop count in a header value; 0 if Dragoman did not write it."""
    return int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,4}", value) else 0


Complete = Callable[[v1.CompletionRequest, Call], AsyncIterator[v1.CompletionEvent]]
Filter = Callable[[Complete], Complete]
"""Wraps every completion. Laws (`dragoman_service.testing.FilterLaws`):

1. events are well-formed: `started` first, one `choice_finished` as the last event of each choice, none empty
2. events keep their order, usage arrives, and the answer does not depend on how its text was cut
3. the provider's events and the caller's request are never changed
4. errors pass
5. closing the iterator closes the provider's
6. calls run concurrently and share nothing of their answers
"""


class Observer(Protocol):
    """Looks on at one completion, and has no hand in it."""

    def record(self, event: v1.CompletionEvent) -> None:
        """Looks at one event."""
        ...

    def close(self, error: str) -> None:
        """The completion is over. `error` is the reason of a failure; CANCELLED: the caller left; empty: a success."""
        ...


Observe = Callable[[v1.CompletionRequest, Call], Observer]
"""The attribute `observe` of a filter of ours: begins to look on at a call, which is all that the filter does to it."""
Concerns = Callable[[v1.CompletionRequest, Call], bool]
"""The attribute `concerns` of a filter of ours: whether the filter does anything to a call."""


class Provider(Protocol):
    """One upstream. Laws (`dragoman_service.testing.ProviderLaws`):

    1. the last event of a choice, and only the last, is its `choice_finished`
    2. no event is empty, and an event that was yielded is never changed
    3. failure is a CompletionError; silence is never an answer
    4. closing the iterator stops the upstream's work
    5. calls run concurrently and share nothing but connections

    A provider yields `delta`, `safety`, `citations`, `choice_finished` and `usage` events; the service adds `started`,
    `finished`, numbers, times, and the source of ratings that name none. The request's `model` is the `provider_model`
    of one of `models()`.
    """

    def models(self) -> Sequence[v1.Model]:
        """The models as they are now. Set `provider_model`; the service fills in `name` and `provider`."""
        ...

    def complete(self, request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]: ...


@runtime_checkable
class Tokenizer(Protocol):
    """Further methods of a provider whose models list CAPABILITY_COUNT_TOKENS or CAPABILITY_TOKENIZE."""

    async def count_tokens(self, request: v1.CompletionRequest, call: Call) -> v1.CountTokensResponse: ...

    async def tokenize(self, request: v1.TokenizeRequest, call: Call) -> v1.TokenizeResponse: ...


@runtime_checkable
class WholeAnswers(Protocol):
    """A further method of a provider that can get answers as a whole, which costs less than a stream."""

    def takes_whole(self, request: v1.CompletionRequest, within: float | None) -> bool:
        """Whether it gets the answer to this request as a whole if `Call.whole.asked` says so.

        `within`: another target is asked if the answer has not begun after so many seconds. None: nothing limits it but
        the deadline.
        """
        ...


class InBatches(Protocol):
    """A further method of a provider of the service, whose events then need no task of their own and fewer steps.

    Beyond the laws of `Provider` it promises that cancelling its reader closes the upstream at once, without a wait,
    and that it lets others have their turn, however fast its upstream is.
    """

    def in_batches(self, request: v1.CompletionRequest, call: Call) -> AsyncGenerator[list[v1.CompletionEvent]]:
        """The events of `complete`, in the lists in which they came. The provider keeps none of either."""
        ...


async def one_by_one(batches: AsyncGenerator[list[v1.CompletionEvent]]) -> AsyncGenerator[v1.CompletionEvent]:
    """The events of all batches: `complete` of a provider that has `in_batches`. Closing it closes them."""
    async with aclosing(batches):
        async for events in batches:
            for event in events:
                yield event
