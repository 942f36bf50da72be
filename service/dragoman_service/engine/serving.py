"""One attempt at a target: what its provider is asked, and its events as the service passes them on."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from dragoman import v1

from dragoman_service.boundary import check_event
from dragoman_service.catalogue.catalogue import Target
from dragoman_service.catalogue.fields import fit_fields
from dragoman_service.contract import Call
from dragoman_service.engine.events.findings import with_source
from dragoman_service.engine.events.hiding import without_text
from dragoman_service.engine.events.tool_call_ids import with_tool_call_id
from dragoman_service.engine.relay import deadline_exceeded
from dragoman_service.errors import too_many_hops

MIN_REMAINING = 0.02  # seconds; with less time left no upstream is called
MAX_HOPS = 8  # services that a request may pass through; more than that is taken for a circle


class Serving:
    """Keeps nothing of the request, because the answer may be long."""

    __slots__ = ("_call", "_hides", "_target")

    def __init__(self, target: Target, request: v1.CompletionRequest, call: Call) -> None:
        self._target, self._call = target, call
        self._hides = request.generation_config.reasoning.visibility == v1.REASONING_VISIBILITY_HIDDEN

    def begin(
        self, request: v1.CompletionRequest, filtered: Collection[str]
    ) -> tuple[v1.CompletionRequest, v1.CompletionEvent]:
        """What the provider is asked, and the first event. `filtered` are the fields that filters honour.

        Raises the errors of `fit_fields` and `admit`.
        """
        model = self._target.model
        asked, warnings = fit_fields(request, model, filtered)
        admit(self._call)
        first = v1.CompletionEvent()
        started = first.started
        started.completion, started.provider = completion_name(self._call), model.provider
        started.served_model = model.provider_model
        started.warnings.extend(warnings)
        return asked, first

    def passed(self, event: v1.CompletionEvent) -> v1.CompletionEvent | None:
        """The event of the provider as it is passed on; None: it is not. Raises PROVIDER_MALFORMED."""
        if type(event) is not v1.CompletionEvent or not event.HasField("delta"):  # fast for almost all
            check_event(event)
            return with_source(event, self._target.model.provider) if event.HasField("safety") else event
        delta = event.delta
        if self._hides and delta.HasField("reasoning"):
            return without_text(event) if delta.state else None
        return with_tool_call_id(event, self._call) if delta.HasField("tool_call") else event


def completion_name(call: Call) -> str:
    """The name of the completion that a call makes."""
    return f"completions/{call.id}"


def admit(call: Call) -> None:
    """Raises an error if the call has passed through too many services, or has no time left."""
    if call.hops > MAX_HOPS:
        raise too_many_hops()
    if call.deadline is not None and call.deadline - asyncio.get_running_loop().time() < MIN_REMAINING:
        raise deadline_exceeded()
