"""Helpers that call an engine."""

import pytest
from dragoman import v1
from dragoman_service.catalogue.catalogue import Catalogue
from dragoman_service.contract import CompletionError
from dragoman_service.engine.engine import Engine
from dragoman_service.providers.echo.provider import Echo


def model(name, *aliases, **more):
    return v1.Model(provider_model=name, aliases=aliases, availability=v1.AVAILABILITY_READY, **more)


def engine_of(providers=None, unreachable=None, **options):
    return Engine(Catalogue({"echo": Echo()} if providers is None else providers, unreachable or {}), **options)


def request_of(name="echo", text="one two three"):
    return v1.CompletionRequest(model=name, messages=[v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text=text)])])


async def answer(engine, request, **call):
    async with engine.relay(request, engine.call("me", **call)) as relay:
        return await relay.completion()


async def error_of(work):
    with pytest.raises(CompletionError) as caught:
        await work
    return caught.value
