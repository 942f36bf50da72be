"""The requests that the clients send, and how they return the answers."""

from __future__ import annotations

import asyncio

import dragoman
import pytest
from dragoman import v1
from dragoman.channel import Connection
from either_client import CLIENTS, ask, collect


async def test_a_prompt_is_completed(client, service):
    completion = await ask(client.complete, "Hello there")

    (seen,) = service.calls("CreateCompletion")
    assert dragoman.text_of(completion) == "Hello there"
    assert seen.request == v1.CompletionRequest(
        model="local", messages=[v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="Hello there")])]
    )


async def test_a_stream_delivers_fragments_and_the_complete_answer(client):
    events = await collect(client.stream("one two three", model="echo"))

    finished = events[-1].finished.completion
    assert "".join(event.delta.text for event in events) == dragoman.text_of(finished) == "one two three"
    assert finished.requested_model == "echo"


async def test_tokens_are_counted_and_listed(client):
    count = await ask(client.count_tokens, "one two", model="echo")
    tokens = await ask(client.tokenize, "one two", model="echo")
    of_prompt = await ask(client.tokenize, v1.CompletionRequest(messages=[v1.Message(parts=[v1.Part(text="three")])]))

    assert count.input_tokens == 2
    assert [token.text for token in tokens] == ["one", "two"]
    assert [token.text for token in of_prompt] == ["three"]


async def test_models_come_from_all_pages(client):
    models = await ask(client.models)
    model = await ask(client.model, "local")

    assert [model.name for model in models] == ["echo/1", "echo/2", "echo/3"]
    assert model.name == "echo/local"


@pytest.mark.parametrize("open_client", CLIENTS)
async def test_every_call_carries_the_key(open_client, address, service):
    client = open_client(address, api_key="K1\n")
    await ask(client.complete, "Hello")
    await collect(client.stream("Hello"))
    await ask(client.models)
    await collect(client.operations(page_size=1))
    await ask(client.close)

    assert {seen.metadata.get("authorization") for seen in service.seen} == {"Bearer K1"}


@pytest.mark.parametrize("open_client", CLIENTS)
async def test_target_and_key_default_to_the_environment(open_client, address, service, monkeypatch):
    monkeypatch.setenv("DRAGOMAN_TARGET", address)
    monkeypatch.setenv("DRAGOMAN_API_KEY", "K2")
    client = open_client()
    await ask(client.complete, "Hello")
    await ask(client.close)

    assert service.seen[0].metadata["authorization"] == "Bearer K2"


async def test_the_default_timeout_is_ten_minutes(client, service):
    await ask(client.complete, "Hello")
    await ask(client.complete, "Hello", timeout=30)
    await collect(client.stream("Hello", timeout=40))

    assert [round(seen.remaining, -1) for seen in service.seen] == [600, 30, 40]


async def test_the_timeout_is_the_deadline_of_the_call(client):
    with pytest.raises(dragoman.DeadlineExceededError) as caught:
        await ask(client.complete, "slow", timeout=0.1)

    assert caught.value.reason == ""
    assert "Allow more time" in str(caught.value)


async def test_the_user_agent_names_the_client(client, service):
    await ask(client.complete, "Hello")

    assert str(service.seen[0].metadata["user-agent"]).startswith("dragoman-python/")


async def test_loopback_calls_bypass_the_proxy(address, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with dragoman.Client(address) as client:
        completion = await ask(client.complete, "Hello")

    assert dragoman.text_of(completion) == "Hello"


def test_an_async_client_may_be_created_before_its_event_loop():
    client = dragoman.AsyncClient("127.0.0.1:9")
    asyncio.run(client.close())


def test_an_unusable_key_is_rejected_without_being_shown():
    with pytest.raises(ValueError, match="API key") as caught:
        dragoman.Client(api_key="sécret")

    assert "cret" not in str(caught.value)


def test_a_connection_does_not_show_its_key():
    connection = Connection.of(None, "secret", None, timeout=1, reconnect_timeout=1, reconnect_delay=1, longest_wait=1)

    assert "secret" not in repr(connection)


def test_the_text_of_a_choice_is_read_by_its_index():
    parts = [v1.Part(reasoning=v1.Reasoning(text="Hm.")), v1.Part(text="a"), v1.Part(text="b")]
    completion = v1.Completion(choices=[v1.Choice(index=1, message=v1.Message(parts=parts)), v1.Choice(index=0)])

    assert dragoman.text_of(completion, 1) == "ab"
    assert dragoman.text_of(completion) == ""
    with pytest.raises(IndexError):
        dragoman.text_of(completion, 2)
