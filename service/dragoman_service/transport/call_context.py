"""What a guard knows about a call, whatever its protocol: the caller, the call's id, its deadline and its hops."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

from grpc import aio

from dragoman_service.contract import Call, Hints, Whole
from dragoman_service.engine.budget import Budget, Share
from dragoman_service.telemetry.record import CallRecord
from dragoman_service.timing.off_loop import OffLoop

_IDEMPOTENCY_KEY = "idempotency-key"
P = ParamSpec("P")
R = TypeVar("R")


def new_call_id() -> str:
    """128 random bits in hexadecimal."""
    return os.urandom(16).hex()  # a third of the time of a UUID, of which only the digits would be used


@dataclass(slots=True)
class CallContext:
    """The facts about a call that do not depend on its protocol or dialect.

    A guard makes one for each call and passes it to the frontend: as `HttpCall.context` over HTTP; over gRPC
    `call_context(context)` returns it.
    """

    record: CallRecord
    """What the log line at the end of the call will say."""
    call_id: str
    deadline: float
    """Loop time after which nobody waits for the answer."""
    hops: int = 0
    """Number of Dragoman services that the request has passed through."""
    caller: str = ""
    """Id of the caller's API key, or `anonymous`. Empty until the guard has authenticated the call."""
    off_loop: OffLoop = field(default_factory=OffLoop)
    """Shared by all calls, see `convert`."""
    budget: Budget = field(default_factory=Budget)
    """The memory for the requests and answers of all calls."""
    echoed: Sequence[tuple[str, str]] = ()
    """Metadata of the request that is returned unchanged."""
    headers: dict[str, str] = field(default_factory=dict)
    """See `Call.headers`."""
    hints: Hints | None = None
    """See `Call.hints`."""
    memory: Share | None = None
    """See `share`. None: nothing was taken yet, as for most calls."""

    @property
    def share(self) -> Share:
        """What the call takes of `budget`. The guard closes it."""
        if self.memory is None:
            self.memory = self.budget.share()
        return self.memory

    async def convert(self, size: int, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """`function(*args)`, which decodes or encodes `size` bytes; in a thread if these are many."""
        return await self.off_loop.run(size, function, *args, **kwargs)

    def call(self, *, streaming: bool = False) -> Call:
        """The call as filters and providers get it."""
        told = self.headers, self.hints, self.record.trace, Whole(allowed=not streaming)
        return Call(self.call_id, self.caller, self.deadline, streaming, self.hops, self.record, *told)


class GuardedContext:
    """The context that gRPC handlers get: gRPC's own, with the guard's knowledge of the call in `call`."""

    __slots__ = ("_context", "call")

    def __init__(self, context: aio.ServicerContext[Any, Any], call: CallContext) -> None:
        self._context, self.call = context, call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


def call_context(context: aio.ServicerContext[Any, Any]) -> CallContext:
    """The call that a gRPC handler was given `context` for. Raises LookupError if it did not come through a guard."""
    if not isinstance(context, GuardedContext):
        raise LookupError("this context did not come through the guard")
    return context.call


def idempotency_key(context: aio.ServicerContext[Any, Any]) -> str:
    """What the metadata of a gRPC call that may be repeated says; empty for other calls.

    Calls with the same key are answered once, and go on if their caller leaves.
    """
    keys = (str(value) for name, value in context.invocation_metadata() or () if name == _IDEMPOTENCY_KEY)
    return next(keys, "")


def with_call(answer: Callable[[Any, CallContext], R]) -> Callable[[Any, aio.ServicerContext[Any, Any]], R]:
    """A gRPC handler that passes the request and its call to `answer`, which then knows nothing of gRPC."""

    def handle(request: Any, context: aio.ServicerContext[Any, Any]) -> R:
        return answer(request, call_context(context))

    return handle
