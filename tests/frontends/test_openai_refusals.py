"""Refused requests over HTTP: OpenAI's statuses and error objects, with the caller's names of parameters."""

from __future__ import annotations

import hashlib

import pytest
from dragoman_service.validation import limits
from http_asking import CHAT, LEGACY, ROOT, chat, get, post
from raw_http import asked

SHA256 = hashlib.sha256(b"key-of-a").hexdigest()
TOOL = {"type": "function", "function": {"name": "f"}}


WRONG = [
    (chat(n=limits.CHOICES + 1), "n", "invalid_value"),
    (chat(max_tokens=0), "max_tokens", "invalid_value"),
    (chat(max_completion_tokens=limits.OUTPUT_TOKENS + 1), "max_tokens", "invalid_value"),
    (chat(temperature=2.1), "temperature", "invalid_value"),
    (chat(top_p=1.01), "top_p", "invalid_value"),
    (chat(seed=2**63), "seed", "invalid_value"),
    (chat(logprobs=True, top_logprobs=limits.TOP_LOGPROBS + 1), "top_logprobs", "invalid_value"),
    (chat(top_logprobs=1), "top_logprobs", "invalid_value"),
    (chat(stop=["x"] * (limits.STOP_SEQUENCES + 1)), "stop", "invalid_value"),
    (chat(stop=["ok", "x" * (limits.STOP_SEQUENCE + 1)]), "stop[1]", "invalid_value"),
    (chat(messages=[]), "messages", "invalid_value"),
    (chat(messages=[{"role": "user", "content": "x"}] * (limits.MESSAGES + 1)), "messages", "invalid_value"),
    (
        chat(messages=[{"role": "tool", "content": "x", "tool_call_id": "c"}]),
        "messages[0].tool_call_id",
        "invalid_value",
    ),
    (chat(tools=[TOOL, TOOL]), "tools[1].function.name", "invalid_value"),
    (chat(tool_choice="required"), "tool_choice", "invalid_value"),
    (chat(moderate_before=True), "moderate_before", "unsupported_parameter"),
    (chat(model="gpt-17"), "model", "model_not_found"),
    (chat(script={"chunk_size": "x"}), "messages[0]", "invalid_value"),
]


@pytest.mark.parametrize("path", [CHAT, ROOT])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_wrong_parameter_is_named(start_service, path, stream):
    service = await start_service()
    for body, param, code in WRONG:
        answer, reply = await post(service, body | {"stream": stream}, path)

        assert answer.status == (404 if code == "model_not_found" else 400)
        assert (reply["error"]["param"], reply["error"]["code"]) == (param, code)
        assert reply["error"]["type"] == "invalid_request_error"
        assert "generation_config" not in reply["error"]["message"]


@pytest.mark.parametrize("key", ["x" * (limits.REQUEST_ID + 1), "\udcff"], ids=["too long", "not UTF-8"])
async def test_a_wrong_idempotency_key_is_named_too(start_service, key):
    service = await start_service()
    answer, reply = await post(service, chat(), idempotency_key=key)

    assert (answer.status, reply["error"]["param"]) == (400, "Idempotency-Key")


async def test_a_key_that_was_used_for_another_request_is_named_as_the_caller_sent_it(start_service):
    service = await start_service()
    await post(service, chat("one"), idempotency_key="k")
    answer, reply = await post(service, chat("two"), idempotency_key="k")

    assert (answer.status, reply["error"]["code"]) == (409, "request_id_reused")
    assert reply["error"]["param"] == "Idempotency-Key"
    assert "the Idempotency-Key 'k'" in reply["error"]["message"]


async def test_a_body_that_is_too_large_gets_the_error_of_the_dialect(start_service):
    service = await start_service(server={"max_request_size": 1024})
    for path in (CHAT, ROOT, LEGACY):
        answer, reply = await post(service, chat("x" * 1024), path)

        assert (answer.status, reply["error"]["code"]) == (413, "request_too_large")


async def test_a_body_that_is_not_json_is_malformed(start_service):
    service = await start_service()
    for path in (CHAT, ROOT, LEGACY):
        for body in (None, b"{", b'{"model": NaN}', b"\xff"):
            answer, reply = await post(service, body, path)

            assert (answer.status, reply["error"]["code"]) == (400, "malformed_request")


@pytest.mark.parametrize(
    ("header", "status"), [("Bearer key-of-a", 200), ("Api-Key key-of-a", 200), ("Bearer other", 401), ("", 401)]
)
async def test_every_path_requires_the_api_key(start_service, header, status):
    service = await start_service(access={"keys": [{"id": "a", "sha256": SHA256}]})
    for path, body in ((CHAT, chat()), (ROOT, chat()), (LEGACY, {"model": "echo", "prompt": "x"})):
        answer, reply = await post(service, body, path, authorization=header)

        assert answer.status == status
        assert status == 200 or reply["error"]["code"] == "invalid_api_key"
    for path in ("/v1/models", "/v1/models/echo"):
        assert (await get(service, path, authorization=header))[0] == status


async def test_models_are_listed_and_found_by_names_with_slashes_and_by_aliases(start_service):
    service = await start_service({"a": {"plugin": "echo"}, "b": {"plugin": "echo"}})
    status, listed = await get(service, "/v1/models")
    found = [await get(service, f"/v1/models/{name}") for name in ("a/echo", "b/echo", "b%2Fecho", "echo")]
    missing = await get(service, "/v1/models/c/echo")

    shown = {"object": "model", "created": 0}
    a, b = ({"id": f"{name}/echo", "owned_by": name, **shown} for name in "ab")
    assert (status, listed) == (200, {"object": "list", "data": [a, b]})
    assert found == [(200, a), (200, b), (200, b), (200, {**a, "id": "echo"})]
    assert (missing[0], missing[1]["error"]["code"]) == (404, "model_not_found")
    assert "GET /v1/models" in missing[1]["error"]["message"]


async def test_a_key_sees_and_uses_only_its_models(start_service):
    access = {"keys": [{"id": "a", "sha256": SHA256, "models": ["b/*"]}]}
    service = await start_service({"a": {"plugin": "echo"}, "b": {"plugin": "echo"}}, access=access)
    key = {"authorization": "Bearer key-of-a"}
    _, listed = await get(service, "/v1/models", **key)
    answer, reply = await post(service, chat(model="a/echo"), **key)

    assert [model["id"] for model in listed["data"]] == ["b/echo"]
    assert (answer.status, reply["error"]["code"], reply["error"]["param"]) == (403, "model_not_allowed", "model")


async def test_a_listed_model_can_be_used_by_everyone_who_sees_it(start_service):
    keys = [
        {"id": "a", "sha256": SHA256, "models": ["best"]},
        {"id": "b", "sha256": hashlib.sha256(b"key-of-b").hexdigest()},
    ]
    names = {"best": {"targets": ["echo/echo"]}, "gpt-*": {"targets": ["echo/echo"]}}
    service = await start_service(access={"keys": keys}, models=names)
    for key, ids in (("key-of-a", ["best"]), ("key-of-b", ["echo/echo", "best"])):
        _, listed = await get(service, "/v1/models", authorization=f"Bearer {key}")

        assert [model["id"] for model in listed["data"]] == ids
        for name in ids:
            found = await get(service, f"/v1/models/{name}", authorization=f"Bearer {key}")
            answer, _ = await post(service, chat(model=name), authorization=f"Bearer {key}")

            assert (found[0], found[1]["id"], answer.status) == (200, name, 200)


@pytest.mark.parametrize(("origins", "status"), [([], 405), (["https://a.example"], 204)])
async def test_pages_may_call_only_where_the_settings_name_them(start_service, origins, status):
    service = await start_service(server={"cors_origins": origins})
    headers = {"origin": "https://a.example", "access-control-request-method": "POST"}
    async with asked(service.http_address, "OPTIONS", CHAT, headers=headers) as preflight:
        pass
    answer, _ = await post(service, chat(), origin="https://a.example")
    allowed = "https://a.example" if origins else None

    assert preflight.status == status
    assert answer.headers.get("access-control-allow-origin") == allowed


async def test_an_unknown_path_is_not_found(start_service):
    service = await start_service()
    for path in ("/v1/embeddings", "/chat", "/v1", "/"):
        answer, reply = await post(service, {}, path)

        assert answer.status == 404
        assert reply["error"]["message"].endswith("Check the base URL.")
