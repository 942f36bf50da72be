"""Calls `echo`."""

import json
from contextlib import aclosing

import pytest
from dragoman import v1
from dragoman_service.contract import Call, CompletionError
from dragoman_service.engine.fold import Fold
from dragoman_service.providers.echo.provider import Echo

CALL = Call("1", "me")


def request_of(text="one two three", script=None, **config):
    request = v1.CompletionRequest(model="echo", generation_config=v1.GenerationConfig(**config))
    if script is not None:
        request.messages.add(role=v1.ROLE_SYSTEM).parts.add(text="echo: " + json.dumps(script))
    request.messages.add(role=v1.ROLE_USER).parts.add(text=text)
    return request


async def events_of(request, echo=None):
    async with aclosing((echo or Echo()).complete(request, CALL)) as events:
        return [event async for event in events]


async def answer_to(request, echo=None):
    fold = Fold(v1.Completion())
    for event in await events_of(request, echo):
        fold.add(event)
    return fold.completion()


async def refused(request):
    with pytest.raises(CompletionError) as caught:
        await events_of(request)
    return caught.value


def deltas(events):
    return [event.delta.text for event in events if event.HasField("delta")]
