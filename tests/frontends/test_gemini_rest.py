"""Gemini over REST: the paths of both APIs, streams in both forms, tokens, models, and whose key counts where."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pytest
from http_asking import events_in, get, post
from raw_http import asked

VERTEX = "/v1beta1/projects/p/locations/l/publishers/google/models"
PATHS = (
    "/v1/models/echo",
    "/v1beta/models/echo",
    "/v1beta//models/echo",
    f"{VERTEX}/echo",
    "/v1/projects/p/locations/l/publishers/google/models/echo",
    "/v1beta1/projects/p/locations/l/models/echo",
    "/v1beta1/publishers/google/models/echo",
)
KEY = hashlib.sha256(b"secret-key").hexdigest()


@pytest.fixture
async def service(start_service: Any) -> Any:
    return await start_service()


def body(text: str = "one two three", script: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    instruction = {} if script is None else {"systemInstruction": said(f"echo: {json.dumps(script)}")}
    return {"contents": [{"role": "user", **said(text)}], **instruction, **more}


def said(text: str) -> dict[str, Any]:
    return {"parts": [{"text": text}]}


def text_of(*pieces: Any) -> str:
    candidates = [candidate for piece in pieces for candidate in piece["candidates"]]
    return "".join(part["text"] for candidate in candidates for part in candidate["content"]["parts"])


async def wire(service: Any, path: str, asking: Any) -> tuple[str, bytes]:
    async with asked(service.http_address, "POST", path, asking) as answer:
        assert answer.status == 200
        return answer.headers["content-type"], await answer.whole()


async def broken(service: Any, path: str, asking: Any) -> bytes:
    """The pieces of a body whose end is missing."""
    pieces = []
    async with asked(service.http_address, "POST", path, asking) as answer:
        with pytest.raises(asyncio.IncompleteReadError):
            while piece := await answer.piece():
                pieces.append(piece)
    return b"".join(pieces)


async def test_every_path_answers_whole_and_in_both_forms_of_a_stream(service: Any) -> None:
    for path in PATHS:
        answer, whole = await post(service, body(), f"{path}:generateContent")
        kind, events = await wire(service, f"{path}:streamGenerateContent?alt=sse", body())
        other, array = await wire(service, f"{path}:streamGenerateContent?%24alt=json%3Benum-encoding%3Dint", body())

        assert (answer.status, text_of(whole)) == (200, "one two three")
        assert (kind, text_of(*events_in(events))) == ("text/event-stream", "one two three")
        assert (other, text_of(*json.loads(array))) == ("application/json", "one two three")
        assert len(json.loads(array)) > 1
        assert whole["usageMetadata"] == json.loads(array)[-1]["usageMetadata"]
        assert events.count(b"\n\n") == len(events_in(events))


async def test_a_refusal_is_googles_error_in_the_callers_terms(service: Any) -> None:
    answer, problem = await post(service, body(generationConfig={"topK": 5000}), f"{PATHS[0]}:generateContent")
    _, missing = await post(service, body(), "/v1/models/none:streamGenerateContent?alt=sse")

    assert answer.status == 400
    assert problem["error"]["status"] == "INVALID_ARGUMENT"
    assert problem["error"]["message"].startswith("generationConfig.topK: ")
    assert (missing["error"]["code"], missing["error"]["status"]) == (404, "NOT_FOUND")


async def test_what_is_left_out_is_told_in_a_header(service: Any) -> None:
    asking = body(generationConfig={"newKnob": 1})
    async with asked(service.http_address, "POST", f"{PATHS[1]}:streamGenerateContent?alt=sse", asking) as answer:
        await answer.whole()

    assert "generationConfig.newKnob" in answer.headers["x-dragoman-warning"]


async def test_a_failing_stream_ends_in_an_error_as_an_event_but_never_in_an_array(service: Any) -> None:
    failing = body("one two three four five", {"fail_after": 3})
    path = f"{PATHS[1]}:streamGenerateContent"
    events, array = events_in(await broken(service, f"{path}?alt=sse", failing)), await broken(service, path, failing)

    assert next(iter(events[-1])) == "error"
    assert (events[-1]["error"]["code"], events[-1]["error"]["status"]) == (503, "UNAVAILABLE")
    assert text_of(*events[:-1])
    assert b"error" not in array
    assert text_of(*json.loads(array + b"]"))


async def test_tokens_are_counted_and_computed(service: Any) -> None:
    _, whole = await post(service, body(), f"{PATHS[0]}:generateContent")
    _, counted = await post(service, body(), f"{PATHS[0]}:countTokens")
    _, nested = await post(
        service, {"generateContentRequest": {"model": "models/echo", **body()}}, f"{PATHS[1]}:countTokens"
    )
    _, computed = await post(service, body("one two"), f"{VERTEX}/echo:computeTokens")

    assert counted == nested == {"totalTokens": whole["usageMetadata"]["promptTokenCount"]}
    (info,) = computed["tokensInfo"]
    assert info["role"] == "user"
    assert b"".join(map(base64.b64decode, info["tokens"])) == b"one two"
    assert all(isinstance(token, str) for token in info["tokenIds"])


async def test_models_are_listed_in_pages_and_by_name(start_service: Any) -> None:
    service = await start_service(models={name: {"targets": ["echo/echo"]} for name in ("b", "a")})
    _, models = await get(service, "/v1beta/models")
    names = [model["name"] for model in models["models"]]
    paged, token = [], ""
    while True:
        _, page = await get(service, f"/v1beta/models?pageSize=1&pageToken={token}")
        paged += [model["name"] for model in page["models"]]
        if not (token := page.get("nextPageToken", "")):
            break
    _, model = await get(service, "/v1beta/models/echo")
    _, publisher = await get(service, "/v1beta1/publishers/google/models")
    status, _ = await get(service, "/v1beta/models/none")
    wrong, _ = await get(service, "/v1beta/models?pageToken=%21")

    assert paged == names == ["models/a", "models/b", "models/echo/echo"]
    assert (model["name"], model["supportedGenerationMethods"]) == ("models/echo", ["generateContent", "countTokens"])
    assert publisher["publisherModels"][0] == {"name": "publishers/google/models/a"}
    assert (status, wrong) == (404, 400)


@pytest.mark.parametrize("header", ["x-goog-api-key", "x-goog-api-client"])
async def test_a_path_that_two_vendors_share_is_told_apart_by_a_header(service: Any, header: str) -> None:
    _, listed = await get(service, "/v1/models", **{header: "any"})
    _, model = await get(service, "/v1/models/echo", **{header: "any"})
    _, others = await get(service, "/v1/models")
    _, other = await get(service, "/v1/models/echo")

    assert [each["name"] for each in listed["models"]] == ["models/echo/echo"]
    assert model["name"] == "models/echo"
    assert others["object"] == "list"
    assert other["id"] == "echo"


async def test_a_key_counts_in_its_header_and_in_the_query(start_service: Any, logged: Any) -> None:
    service = await start_service(access={"keys": [{"id": "a", "sha256": KEY}]})
    path = f"{PATHS[0]}:generateContent"
    refused, problem = await post(service, body(), path)
    for allowed in (
        await post(service, body(), path, x_goog_api_key="secret-key"),
        await post(service, body(), f"{path}?key=secret-key"),
        await post(service, body(), path, authorization="Bearer secret-key", x_goog_api_key="other"),
    ):
        assert allowed[0].status == 200
    wrong, _ = await post(service, body(), f"{path}?key=secret-key", x_goog_api_key="other")
    elsewhere, _ = await get(service, "/v1/models?key=secret-key")

    assert (refused.status, problem["error"]["status"]) == (401, "UNAUTHENTICATED")
    assert (wrong.status, elsewhere) == (401, 401)
    log = logged.text()
    assert "GenerateContent" in log
    assert "secret-key" not in log


async def test_a_model_may_have_slashes_and_a_version(start_service: Any) -> None:
    service = await start_service(models={"family/gemini-x": {"targets": ["echo/echo"]}})
    for name in ("family/gemini-x", "family%2Fgemini-x", "family/gemini-x@001"):
        answer, whole = await post(service, body("hi"), f"/v1beta/models/{name}:generateContent")

        assert (answer.status, text_of(whole)) == (200, "hi")
