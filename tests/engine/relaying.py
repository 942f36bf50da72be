"""Helpers that put a provider behind a relay and read from it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any

from dragoman import v1
from dragoman_service.catalogue.catalogue import Catalogue
from dragoman_service.contract import CompletionError, Provider
from dragoman_service.engine.engine import Engine
from dragoman_service.engine.relay import Relay
from dragoman_service.testing.scripted import Scripted, Step
from structlog.testing import capture_logs

FOREVER = asyncio.Event  # a step that nobody ends: FOREVER().wait


def relay_of(provider: Provider, **call: Any) -> AbstractAsyncContextManager[Relay]:
    """The running completion of a request to the provider's model `scripted`."""
    engine = Engine(Catalogue({"p": provider}, {}))
    prompt = v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="?")])
    return engine.relay(
        v1.CompletionRequest(model="p/scripted", messages=[prompt]), engine.call("me", **{"streaming": True, **call})
    )


async def read_all(relay: Relay) -> tuple[list[v1.CompletionEvent], CompletionError | None]:
    """All events, and the error that came after them, if any."""
    events = []
    try:
        async for event in relay:
            events.append(event)
    except CompletionError as error:
        return events, error
    return events, None


def kinds(events: Iterable[v1.CompletionEvent]) -> list[str | None]:
    return [event.WhichOneof("event") for event in events]


def texts(events: Iterable[v1.CompletionEvent]) -> list[str]:
    return [event.delta.text for event in events if event.HasField("delta")]


async def failure(*steps: Step) -> tuple[CompletionError, list[Any]]:
    """The error that a caller gets from these steps, which must be sound on the wire, and the lines of the log."""
    with capture_logs() as lines:
        async with asyncio.timeout(5), relay_of(Scripted(*steps)) as relay:
            events, error = await read_all(relay)
    assert isinstance(error, CompletionError)
    assert events[-1].finished.error == error.status(relay._call.id)
    return error, lines
