"""The filter that admits requests: the slots of the service, of their caller, and of the name that they ask for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

from dragoman import v1

from dragoman_service.admission.callers import Callers
from dragoman_service.admission.gate import AdmissionObserver, Gate, Hold, held
from dragoman_service.admission.pools import Group, Pool
from dragoman_service.admission.queue import Entry, band_of
from dragoman_service.catalogue.estimates import input_tokens
from dragoman_service.contract import Call, Complete

SERVICE = "service"


class Entries:
    """Makes what waits in a queue of a request."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers

    def entry(self, request: v1.CompletionRequest, call: Call, now: float, *, bounded: bool = True) -> Entry:
        """The request, which begins to wait now. Its tokens are only estimated here, where they matter."""
        choices = max(1, request.generation_config.choice_count)
        return Entry(
            call.caller,
            band_of(self._callers.priority(call.caller, request.priority)),
            now,
            input_tokens(request) * choices,
            self._callers.weight(call.caller),
            bounded=bounded,
        )


class Admission:
    """A `Filter`. `name_of` gives the name or pattern in the settings through which a request reaches its model.

    Operations pass, because their number is limited where they are claimed.
    """

    def __init__(
        self,
        group: Group,
        callers: Callers,
        entries: Entries,
        observer: AdmissionObserver,
        positions: dict[str, Callable[[], int]],
        name_of: Callable[[v1.CompletionRequest, Call], str],
    ) -> None:
        self.gate = Gate(group, observer, positions)
        self._callers, self._entries, self._observer, self._name_of = callers, entries, observer, name_of
        self._default = group.pools.get(SERVICE)
        self._named = {name: pool for name, pool in group.pools.items() if name != SERVICE}

    def __call__(self, complete: Complete) -> Complete:
        def admitting(request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]:
            if call.record is None:  # an operation
                return complete(request, call)
            admit = self._counted if self._callers.is_limited(call.caller) else self._admitted
            return admit(complete, request, call)

        return admitting

    async def _counted(
        self, complete: Complete, request: v1.CompletionRequest, call: Call
    ) -> AsyncIterator[v1.CompletionEvent]:
        with self._callers.counted(call.caller) as has_room:
            if not has_room:
                self._observer.caller_refused(call)
                raise self._callers.error(call.caller)
            async with aclosing(self._admitted(complete, request, call)) as events:  # type: ignore[type-var]
                async for event in events:
                    yield event

    def _admitted(
        self, complete: Complete, request: v1.CompletionRequest, call: Call
    ) -> AsyncIterator[v1.CompletionEvent]:
        return held(self._slot(request, call), complete(request, call))

    def _slot(self, request: v1.CompletionRequest, call: Call) -> Hold | None:
        pool = self._pool(request, call)
        if pool is None:
            return None
        return self.gate.hold(pool, call, lambda now: self._entries.entry(request, call, now))

    def _pool(self, request: v1.CompletionRequest, call: Call) -> Pool | None:
        if not self._named:
            return self._default
        return self._named.get(f"models/{self._name_of(request, call)}", self._default)
