"""What a guard knows about a call, whatever its protocol: the caller, the call's id, its deadline and its hops."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from grpc import aio

from dragoman_service.contract import Call
from dragoman_service.telemetry.record import CallRecord


@dataclass(slots=True)
class CallContext:
    """The facts about a call that do not depend on its protocol or dialect.

    A guard makes one for each call and passes it to the frontend: as `HttpCall.context` over HTTP; over gRPC
    `call_context(context)` returns it.
    """

    record: CallRecord
    """What the log line at the end of the call will say."""
    deadline: float
    """Loop time after which nobody waits for the answer."""
    hops: int = 0
    """Number of Dragoman services that the request has passed through."""
    caller: str = ""
    """Id of the caller's API key, or `anonymous`. Empty until the guard has authenticated the call."""
    call_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        self.record.request_id, self.record.hops = self.call_id, self.hops

    def authenticated(self, caller: str) -> None:
        """The guard knows now who calls."""
        self.caller = self.record.caller = caller

    def call(self, *, streaming: bool = False) -> Call:
        """The call as filters and providers get it."""
        return Call(self.call_id, self.caller, self.deadline, streaming, self.hops, self.record)


class GuardedContext:
    """gRPC's own context of a call, to which the guard has added what it knows: `call`."""

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
