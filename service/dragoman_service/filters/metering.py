"""Measures every completion for the metrics and, if its call has a log line, for that line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from functools import partial

from dragoman import v1

from dragoman_service.contract import Call, Complete, CompletionError, Filter
from dragoman_service.filters.context import FilterContext
from dragoman_service.telemetry.meter import CompletionMeter


def make_metering(_: Mapping[str, object], context: FilterContext) -> Filter:
    """It has no settings."""

    observe = partial(CompletionMeter, context.metrics, context.names)

    def wrap(complete: Complete) -> Complete:
        async def metered(request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]:
            meter = observe(request, call)
            try:
                async with aclosing(complete(request, call)) as events:  # type: ignore[type-var]
                    async for event in events:
                        meter.record(event)
                        yield event
                meter.close("")
            except CompletionError as error:
                meter.close(error.reason_name)
                raise
            except (GeneratorExit, asyncio.CancelledError):
                meter.close("CANCELLED")
                raise

        return metered

    wrap.observe = observe  # type: ignore[attr-defined]
    return wrap
