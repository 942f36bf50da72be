"""Limits that refuse, as each dialect says it: the status, its reason, and when to ask again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import grpc
import pytest
from dragoman import v1
from dragoman_service.testing.scripted import Scripted, choice_finished, delta, usage
from dragoman_service.testing.serving import Served, serving
from gemini_client import BETA, VERTEX, Gemini
from google.rpc import error_details_pb2, status_pb2
from http_asking import CHAT
from vertex_asking import predicted
from yandex_client import Yandex, asking
from yandex_client import body as yandex_body

ANSWER = (delta("yes"), choice_finished(), usage(input_tokens=7, output_tokens=5))
KINDS = {
    "rate": {"requests": {"minute": 1}},
    "tokens": {"tokens": {"minute": 300}},
    "large": {"tokens": {"minute": 1}},
    "budget": {"requests": {"day": 1}},
}
SETTINGS = {
    "server.cors_origins": ["https://app.example"],
    "limits.keys": {"*": {"models": KINDS}},
    "models": {name: {"targets": ["vendor/scripted"]} for name in KINDS},
}
GOOGLE = "/v1beta1/projects/p/locations/l/publishers/google/models"


@dataclass(frozen=True, slots=True)
class Refused:
    """What a caller sees of a refusal."""

    status: Any
    reason: str
    retry_after: float | None
    headers: dict[str, str]


async def over_grpc(call: Awaitable[Any]) -> Refused | None:
    """None: it is answered."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        trailers = dict(error.trailing_metadata() or ())
        status, info, retry = status_pb2.Status(), error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        status.ParseFromString(trailers["grpc-status-details-bin"])
        for detail in status.details:
            detail.Unpack(info) or detail.Unpack(retry)
        delay = retry.retry_delay.ToMilliseconds() / 1000 or None
        return Refused(error.code(), info.reason, delay, trailers)
    return None


async def over_http(served: Served, path: str, body: Any, code_of: Callable[[Any], str]) -> Refused | None:
    """None: it is answered."""
    async with asked_of_page(served, path, body) as answer:
        found = json.loads(await answer.read())
        if answer.status == 200:
            return None
        delay = answer.headers.get("retry-after")
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Refused(answer.status, code_of(found), None if delay is None else float(delay), headers)


@asynccontextmanager
async def asked_of_page(served: Served, path: str, body: Any) -> AsyncIterator[aiohttp.ClientResponse]:
    async with (
        aiohttp.ClientSession(headers={"origin": "https://app.example"}) as session,
        session.post(f"http://{served.running.http_address}{path}", json=body) as answer,
    ):
        yield answer


def info_of(tree: Any) -> str:
    """The reason in the details of an error."""
    return next(one["reason"] for one in tree["error"]["details"] if one["@type"].endswith("ErrorInfo"))


def text_for(model: str) -> str:
    return "one two three four five six" if model == "large" else "hi"


async def native(served: Served, model: str) -> Refused | None:
    request = v1.CompletionRequest(model=model)
    request.messages.add(role=v1.ROLE_USER).parts.add(text=text_for(model))
    return await over_grpc(served.completions.CreateCompletion(request))


async def openai(served: Served, model: str) -> Refused | None:
    body = {"model": model, "messages": [{"role": "user", "content": text_for(model)}]}
    return await over_http(served, CHAT, body, lambda found: f"{found['error']['type']} {found['error']['code']}")


async def openai_stream(served: Served, model: str) -> Refused | None:
    body = {"model": model, "messages": [{"role": "user", "content": text_for(model)}], "stream": True}
    async with asked_of_page(served, CHAT, body) as answer:
        if answer.status == 200:
            assert [name for name in answer.headers if name.lower().startswith("x-ratelimit-limit-")]
            return None
    return await openai(served, model)


async def anthropic_rest(served: Served, model: str) -> Refused | None:
    body = {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": text_for(model)}]}
    return await over_http(served, "/v1/messages", body, lambda found: str(found["error"]["details"]["reason"]))


async def gemini_rest(served: Served, model: str) -> Refused | None:
    body = {"contents": [{"role": "user", "parts": [{"text": text_for(model)}]}]}
    return await over_http(served, f"/v1beta/models/{model}:generateContent", body, info_of)


async def vertex_rest(served: Served, model: str) -> Refused | None:
    body = {"contents": [{"role": "user", "parts": [{"text": text_for(model)}]}]}
    return await over_http(served, f"{GOOGLE}/{model}:generateContent", body, info_of)


async def gemini(served: Served, model: str) -> Refused | None:
    call = Gemini(served.channel, BETA).generate(text=text_for(model), model=f"models/{model}")
    return await over_grpc(call)


async def vertex(served: Served, model: str) -> Refused | None:
    call = Gemini(served.channel, VERTEX).generate(text=text_for(model), model=f"{VERTEX.parent}{model}")
    return await over_grpc(call)


async def prediction(served: Served, model: str) -> Refused | None:
    return await over_grpc(predicted(served, {"prompt": text_for(model)}, model))


async def native_rest(served: Served, model: str) -> Refused | None:
    body = {"model": model, "messages": [{"role": "ROLE_USER", "parts": [{"text": text_for(model)}]}]}

    def reason(found: Any) -> str:
        return next(str(one["debug"]["reason"]) for one in found["details"] if one["type"] == "google.rpc.ErrorInfo")

    return await over_http(served, "/dragoman.v1.CompletionService/CreateCompletion", body, reason)


async def yandex_rest(served: Served, model: str) -> Refused | None:
    body = yandex_body(text_for(model), f"gpt://folder/{model}/latest")
    return await over_http(served, "/foundationModels/v1/completion", body, info_of)


async def yandex(served: Served, model: str) -> Refused | None:
    return await over_grpc(Yandex(served.channel).pieces(asking(text_for(model), f"gpt://folder/{model}/latest")))


OVER_GRPC = (native, gemini, vertex, prediction, yandex)
OVER_REST = (native_rest, anthropic_rest, gemini_rest, vertex_rest, yandex_rest)
Ask = Callable[[Served, str], Awaitable[Refused | None]]


async def refusals(ask: Ask) -> dict[str, Refused]:
    """The first refusal of each kind of limit; one request goes through before, unless it is too large."""
    found = {}
    async with serving({"vendor": Scripted(*ANSWER)}, SETTINGS) as served:
        for model in KINDS:
            if model != "large":
                assert await ask(served, model) is None
            while (refused := await ask(served, model)) is None:
                assert model == "tokens"
            found[model] = refused
    return found


@pytest.mark.parametrize("ask", OVER_GRPC)
async def test_services_tell_codes_reasons_and_delays(ask: Ask) -> None:
    found = await refusals(ask)
    exhausted, invalid = grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INVALID_ARGUMENT

    assert {name: (one.status, one.reason) for name, one in found.items()} == {
        "rate": (exhausted, "RATE_LIMITED"),
        "tokens": (exhausted, "TOKENS_LIMITED"),
        "large": (invalid, "TOKENS_LIMITED"),
        "budget": (exhausted, "QUOTA_EXHAUSTED"),
    }
    assert 0 < (found["rate"].retry_after or 0) <= 60
    assert 0 < (found["tokens"].retry_after or 0) <= 60
    assert found["large"].retry_after is None
    assert found["budget"].retry_after
    assert found["rate"].headers["x-ratelimit-remaining-requests"] == "0"


@pytest.mark.parametrize("ask", OVER_REST)
async def test_rest_tells_statuses_reasons_and_delays(ask: Ask) -> None:
    found = await refusals(ask)

    assert {name: (one.status, one.reason) for name, one in found.items()} == {
        "rate": (429, "RATE_LIMITED"),
        "tokens": (429, "TOKENS_LIMITED"),
        "large": (400, "TOKENS_LIMITED"),
        "budget": (429, "QUOTA_EXHAUSTED"),
    }
    told(found)


@pytest.mark.parametrize("ask", [openai, openai_stream])
async def test_the_openai_dialect_says_what_its_clients_know(ask: Ask) -> None:
    found = await refusals(ask)

    assert {name: (one.status, one.reason) for name, one in found.items()} == {
        "rate": (429, "requests rate_limit_exceeded"),
        "tokens": (429, "tokens rate_limit_exceeded"),
        "large": (400, "tokens rate_limit_exceeded"),
        "budget": (429, "insufficient_quota insufficient_quota"),
    }
    told(found)


def told(found: dict[str, Refused]) -> None:
    assert 1 <= (found["rate"].retry_after or 0) <= 60
    assert 1 <= (found["tokens"].retry_after or 0) <= 60
    assert found["large"].retry_after is found["budget"].retry_after is None
    assert {name for name, one in found.items() if one.headers.get("x-should-retry") == "false"} == {"budget"}
    assert found["rate"].headers["x-ratelimit-remaining-requests"] == "0"
    assert found["tokens"].headers["x-ratelimit-limit-tokens"] == "300"
    exposed = found["rate"].headers["access-control-expose-headers"].split(", ")
    assert {name for name in found["rate"].headers if "ratelimit" in name} <= set(exposed)
