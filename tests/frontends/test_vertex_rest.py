"""Predictions over REST: server-sent events, an array that is streamed element by element, and complete answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from dragoman import v1
from dragoman_service.errors import broken_answer
from dragoman_service.providers.echo.provider import Echo, EchoSettings
from dragoman_service.testing.scripted import Scripted, choice_finished, delta
from dragoman_service.testing.serving import Served, serving
from http_asking import events_in
from vertex_asking import outputs, posted

TEXT = {
    "inputs": [{"struct_val": {"prompt": {"string_val": ["hello big world"]}}}],
    "parameters": {"struct_val": {"temperature": {"float_val": 0.8}, "maxOutputTokens": {"int_val": 1024}}},
}
CHAT = {
    "inputs": [
        {
            "struct_val": {
                "messages": {
                    "list_val": [
                        {"struct_val": {"content": {"string_val": ["hello you"]}, "author": {"string_val": ["USER"]}}}
                    ]
                }
            }
        }
    ],
}
SSE, ARRAY = "serverStreamingPredict?alt=sse", "serverStreamingPredict"


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving({"echo": Echo(EchoSettings(delay=0.01))}) as service:
        yield service


async def test_with_alt_sse_each_piece_is_an_event_and_nothing_else_is_sent(served: Served) -> None:
    async with posted(served, SSE, TEXT) as answer:
        wire = await answer.whole()
    events = outputs(events_in(wire))

    assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream")
    assert all(line.startswith(b"data: {") or not line for line in wire.split(b"\n"))
    assert "".join(event["content"] for event in events) == "hello big world"
    assert len(events) > 2
    assert events[-1]["content"] == ""
    assert events[-1]["finishReason"] == "STOP"


async def test_without_it_the_pieces_are_elements_of_an_array(served: Served) -> None:
    async with posted(served, ARRAY, CHAT) as answer:
        chunks = []
        while chunk := await answer.piece():
            chunks.append(chunk)
    elements = outputs(json.loads(b"".join(chunks)))

    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    separators = [b","] * (len(elements) - 1)
    assert [chunk[:1] for chunk in chunks] == [b"[", b"{", *separators, b"]"], "each element is sent at once"
    assert "".join(element["candidates"][0]["content"] for element in elements) == "hello you"
    assert len(elements) > 1
    assert elements[-1]["candidates"][0]["content"] == ""


async def test_predict_returns_one_object(served: Served) -> None:
    body = {"instances": [{"content": "hello you"}], "parameters": {"temperature": 0.5, "seed": 4}}
    async with posted(served, "predict", body) as answer:
        predicted = await answer.json()

    assert predicted["predictions"][0]["content"] == "hello you"
    assert predicted["metadata"]["tokenMetadata"]["outputTokenCount"] == {
        "totalTokens": 2,
        "totalBillableCharacters": 8,
    }


MISTAKES: list[tuple[str, Any, str]] = [
    (ARRAY, b"{", "The body is not valid JSON"),
    (ARRAY, {}, "inputs: is required"),
    (ARRAY, {"instances": [{"prompt": "a"}]}, "inputs: is required"),
    ("predict", TEXT, "instances: is required"),
    ("predict", {}, "instances: is required"),
    ("predict", {"instances": [{"prompt": "a"}, {"prompt": "b"}]}, "instances is not supported here: send one"),
    (SSE, {"inputs": [{"prompt": "a"}]}, "inputs[0].prompt: is not a field of a tensor"),
    (SSE, {"inputs": [{"struct_val": {"prompt": {"int_val": "x"}}}]}, "inputs[0].prompt.intVal: holds a value of"),
    (SSE, {"inputs": [{"struct_val": {"prompt": {"int_val": 5}}}]}, "inputs[0].prompt: must be a text"),
    (SSE, {"inputs": [5]}, "inputs[0]: must be a tensor"),
    (SSE, b'{"inputs": [' + b'{"list_val": [' * 400 + b"]}" * 400 + b"]}", "The body is nested too deeply."),
]


async def test_a_mistake_is_an_error_of_google_that_names_the_field(served: Served) -> None:
    for verb, body, message in MISTAKES:
        async with posted(served, verb, body) as answer:
            error = (await answer.json())["error"]

        assert (answer.status, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
        assert error["message"].startswith(message)


async def test_what_is_left_out_is_told_in_a_header(served: Served) -> None:
    body = {**TEXT, "parameters": {"struct_val": {"echo": {"bool_val": True}, "topK": {"int_val": 3}}}}
    async with posted(served, SSE, body) as answer:
        told = answer.headers["x-dragoman-warning"]

    assert told.startswith("parameters.echo: not supported here: the answer does not repeat the prompt.")


async def test_an_error_in_a_stream_of_events_is_its_last_event_and_the_connection_breaks() -> None:
    async with (
        serving({"scripted": Scripted(delta("one"), broken_answer())}) as served,
        posted(served, SSE, TEXT, "scripted/scripted") as answer,
    ):
        wire = await answer.rest()

    assert b'data: {"error":{"code":503,' in wire
    assert b'"status":"UNAVAILABLE"' in wire
    assert not wire.endswith(b"0\r\n\r\n")


async def test_an_error_in_an_array_breaks_the_connection_because_an_element_would_be_taken_for_an_answer() -> None:
    async with (
        serving({"scripted": Scripted(delta("one"), broken_answer())}) as served,
        posted(served, ARRAY, TEXT, "scripted/scripted") as answer,
    ):
        wire = await answer.rest()

    assert b'"one"' in wire
    assert b"error" not in wire
    assert b"]\r\n0\r\n\r\n" not in wire


async def test_a_model_name_may_hold_slashes_and_colons() -> None:
    model = v1.Model(provider_model="a/b:c", availability=v1.AVAILABILITY_READY)
    provider = Scripted(delta("yes"), choice_finished(), model=model)
    async with (
        serving({"scripted": provider}) as served,
        posted(served, "predict", {"instances": [{"prompt": "x"}]}, "scripted/a/b:c") as answer,
    ):
        predicted = await answer.json()

    assert predicted["predictions"][0]["content"] == "yes"
