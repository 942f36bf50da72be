"""The vendor's REST API over real HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from dragoman import v1
from dragoman_service.providers.echo.provider import Echo, EchoSettings
from dragoman_service.testing.serving import Served, serving
from waiting import until
from yandex_client import body

MODELS = "/foundationModels/v1"
STREAM = {"completionOptions": {"stream": True}}


class Rest:
    """Sends and receives JSON."""

    def __init__(self, session: aiohttp.ClientSession, root: str) -> None:
        self.session, self.root = session, root

    async def ask(self, verb: str, path: str, sent: Any = None, **headers: str) -> tuple[int, Any]:
        async with self.session.request(verb, self.root + path, json=sent, headers=headers) as answer:
            return answer.status, await answer.json()

    async def lines(self, sent: Any) -> AsyncIterator[Any]:
        async with self.session.post(f"{self.root}{MODELS}/completion", json=sent) as answer:
            async for line in answer.content:
                yield json.loads(line)

    async def ended(self, operation_id: str) -> Any:
        async with asyncio.timeout(10):
            while not (operation := (await self.ask("GET", f"/operations/{operation_id}"))[1])["done"]:
                await asyncio.sleep(0.01)
        return operation


@pytest.fixture
def echo() -> Echo:
    return Echo(EchoSettings())


@pytest.fixture
async def served(echo: Echo) -> AsyncIterator[Served]:
    async with serving({"echo": echo}) as service:
        yield service


@pytest.fixture
async def rest(served: Served) -> AsyncIterator[Rest]:
    async with aiohttp.ClientSession() as session:
        yield Rest(session, f"http://{served.running.http_address}")


def text_of(result: Any) -> str:
    text: str = result["alternatives"][0]["message"]["text"]
    return text


async def test_a_completion_is_one_result(rest):
    status, answer = await rest.ask("POST", f"{MODELS}/completion", body())

    assert status == 200
    assert answer == {
        "result": {
            "alternatives": [
                {"message": {"role": "assistant", "text": "hello big world"}, "status": "ALTERNATIVE_STATUS_FINAL"}
            ],
            "usage": {
                "inputTextTokens": "3",
                "completionTokens": "3",
                "totalTokens": "6",
                "completionTokensDetails": {"reasoningTokens": "0"},
            },
            "modelVersion": "echo",
        }
    }


async def test_a_streamed_completion_is_a_result_a_line(rest):
    lines = [line async for line in rest.lines(body(script='{"delay": "10ms"}', **STREAM))]
    results = [line["result"] for line in lines]

    assert [text_of(result) for result in results] == ["hello", "hello big", "hello big world", "hello big world"]
    assert [result["alternatives"][0]["status"][19:] for result in results] == ["PARTIAL"] * 3 + ["FINAL"]
    assert results[-1]["usage"]["totalTokens"] > "0"


async def test_no_proxy_collects_the_lines(rest):
    async with rest.session.post(f"{rest.root}{MODELS}/completion", json=body(**STREAM)) as answer:
        await answer.read()

    assert (answer.headers["x-accel-buffering"], answer.headers["cache-control"]) == ("no", "no-store")


async def test_lines_arrive_as_they_are_generated(rest, echo):
    lines = rest.lines(body(script='{"delay": "200ms"}', **STREAM))
    first = await anext(lines)

    assert text_of(first["result"]) == "hello"
    assert echo.running == 1
    await lines.aclose()


async def test_an_operation_is_started_read_and_done(rest):
    status, started = await rest.ask("POST", f"{MODELS}/completionAsync", body(script='{"delay": "20ms"}'))
    ended = await rest.ended(started["id"])
    _, whole = await rest.ask("POST", f"{MODELS}/completion", body(script='{"delay": "20ms"}'))
    response = ended["response"]

    assert status == 200
    assert (started["done"], started["metadata"], started["description"]) == (False, None, "Async GPT Completion")
    assert "response" not in started
    assert response.pop("@type") == "type.googleapis.com/yandex.cloud.ai.foundation_models.v1.CompletionResponse"
    assert response == whole["result"]


@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_an_operation_is_cancelled(rest, echo, verb):
    _, started = await rest.ask("POST", f"{MODELS}/completionAsync", body(script='{"first_delay": "30s"}'))
    await until(lambda: echo.running)
    status, _ = await rest.ask(verb, f"/operations/{started['id']}:cancel")
    ended = await rest.ended(started["id"])

    assert status == 200
    assert ended["error"]["code"] == 1
    assert ended["error"]["message"]
    assert echo.running == 0


async def test_the_same_key_starts_one_operation(rest, echo):
    started = [
        (await rest.ask("POST", f"{MODELS}/completionAsync", body(), **{"Idempotency-Key": "key-1"}))[1]["id"]
        for _ in range(3)
    ]
    await rest.ended(started[0])

    assert len(set(started)) == 1
    assert echo.started == 1


async def test_texts_and_prompts_are_tokenized(rest):
    _, text = await rest.ask("POST", f"{MODELS}/tokenize", {"modelUri": "gpt://f/echo", "text": "hello big"})
    _, prompt = await rest.ask("POST", f"{MODELS}/tokenizeCompletion", body("hello big"))

    assert [token["text"] for token in text["tokens"]] == ["hello", " big"]
    assert all(isinstance(token["id"], str) and token["special"] is False for token in text["tokens"])
    assert prompt == text
    assert text["modelVersion"] == "echo"


@pytest.mark.parametrize(
    ("sent", "status", "code", "message"),
    [
        ({"modelUri": "gpt://f/nothing"}, 404, 5, "'gpt://f/nothing'"),
        ({"messages": []}, 400, 3, "messages: is required"),
        ({"completionOptions": {"temperature": 9}}, 400, 3, "completion_options.temperature: is 9;"),
        ({"completionOptions": {"maxTokens": "0"}}, 400, 3, "completion_options.max_tokens: "),
        ({"topP": 1}, 400, 3, "topP: "),
        ({"script": '{"fail_after": 0, "fail_code": "RESOURCE_EXHAUSTED"}'}, 429, 8, "scripted to fail"),
        ({"script": '{"fail_after": 0, "fail_code": "UNAVAILABLE"}', **STREAM}, 503, 14, "scripted to fail"),
    ],
)
async def test_an_invalid_request_is_refused_in_the_vendors_terms(rest, sent, status, code, message):
    found, answer = await rest.ask("POST", f"{MODELS}/completion", body() | body(**sent))

    assert found == status
    assert answer["error"]["grpcCode"] == code
    assert answer["error"]["httpCode"] == status
    assert message in answer["error"]["message"]


async def test_a_failed_stream_ends_with_the_error_and_breaks(rest):
    lines = []
    with pytest.raises(aiohttp.ClientPayloadError):
        async for line in rest.lines(body(script='{"fail_after": 2, "delay": "10ms"}', **STREAM)):
            lines.append(line)

    assert [text_of(line["result"]) for line in lines[:-1]] == ["hello", "hello big"]
    assert lines[-1]["error"]["grpcCode"] == 14
    assert lines[-1]["error"]["message"]


async def test_hanging_up_stops_the_model(rest, echo):
    lines = rest.lines(body(script='{"delay": "30s"}', **STREAM))
    await anext(lines)
    running = echo.running
    await lines.aclose()
    await until(lambda: echo.running == 0)

    assert running == 1
    assert echo.closed == 1


async def test_the_clients_own_id_comes_back(rest):
    url = f"{rest.root}{MODELS}/tokenize"
    async with rest.session.post(url, json={}, headers={"x-client-request-id": "id-7"}) as answer:
        assert answer.status == 400
        assert answer.headers["x-client-request-id"] == "id-7"


async def test_an_unknown_operation_is_not_found(rest):
    for verb, path in (("GET", "/operations/nothing"), ("GET", "/operations/nothing:cancel")):
        status, answer = await rest.ask(verb, path)

        assert status == 404
        assert answer["error"]["grpcCode"] == 5


async def test_an_api_key_is_required(start_service):
    key = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"  # of "test"
    service = await start_service(access={"keys": [{"id": "team-a", "sha256": key}]})
    async with aiohttp.ClientSession() as session:
        rest = Rest(session, f"http://{service.http_address}")
        answers = [
            await rest.ask("POST", f"{MODELS}/completionAsync", body(), Authorization=value, **{"x-folder-id": "f"})
            for value in ("Api-Key test", "Bearer test", "Bearer no", "")
        ]

    assert [status for status, _ in answers] == [200, 200, 401, 401]
    assert answers[0][1]["createdBy"] == "team-a"
    assert answers[2][1]["error"]["grpcCode"] == 16
    assert answers[2][1]["error"]["httpStatus"] == "Unauthorized"


async def test_an_operation_over_http_is_the_one_of_longrunning(rest, served):
    _, started = await rest.ask("POST", f"{MODELS}/completionAsync", body())
    name = f"operations/{started['id']}"
    events = [event async for event in served.completions.AttachCompletion(v1.AttachCompletionRequest(name=name))]

    assert events[-1].finished.completion.choices[0].message.parts[0].text == "hello big world"


async def test_an_idempotency_key_that_is_not_utf8_is_refused(served):
    sent = b'{"modelUri": "echo", "messages": [{"role": "user", "text": "Hi"}]}'
    head = (
        b"POST /foundationModels/v1/completionAsync HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nIdempotency-Key: a\xffb\r\n"
    )
    reader, writer = await asyncio.open_connection(*str(served.running.http_address).rsplit(":", 1))
    writer.write(head + b"Content-Length: %d\r\n\r\n" % len(sent) + sent)
    answer = await reader.read()
    writer.close()

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"idempotency-key: must have" in answer
