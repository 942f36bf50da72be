"""The native API as JSON over HTTP: single answers, errors, limits."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import Any

import grpc
import pytest
from dragoman import v1
from dragoman_service.frontends.methods.table import native_services
from google.protobuf.json_format import ParseDict
from google.rpc import error_details_pb2
from native_asking import COMPLETIONS, OPERATIONS, body, post, reason_of
from raw_http import asked
from service_log import Log

CREATE = f"{COMPLETIONS}/CreateCompletion"
KEY = "a-key-for-tests"


def text_of(completion: Any) -> str:
    text: str = completion["choices"][0]["message"]["parts"][0]["text"]
    return text


async def test_an_answer_is_the_one_that_grpc_gives(start_service, prompt):
    service = await start_service()
    status, told = await post(service, CREATE, body("Hello there!"))
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        same = await v1.CompletionServiceStub(channel).CreateCompletion(prompt("Hello there!"))
    answer = ParseDict(told, v1.Completion())

    for one in (answer, same):
        for field in ("name", "create_time", "finish_time"):
            one.ClearField(field)
    assert status == 200
    assert answer == same
    assert told["usage"]["inputTokens"] == "3", "64-bit numbers are strings"


async def test_every_method_of_the_schema_has_a_path(start_service):
    service = await start_service()
    found = {}
    for native in native_services(service._context):
        for method in native.methods:
            status, answer = await post(service, f"/{native.descriptor.full_name}/{method.name}", b"[]")
            found[method.name] = (status, reason_of(answer))

    assert len(found) == 20
    assert set(found.values()) == {(400, "MALFORMED_REQUEST")}


async def test_only_what_starts_work_is_refused_under_pressure(start_service):
    service = await start_service()
    (native,) = (one for one in service._context.http.services if one.name == "native_http")

    assert {method.name for method in native.methods if not method.essential} == {
        *("CreateCompletion", "StreamCompletion", "StartCompletion", "CountTokens", "Tokenize")
    }


async def test_operators_read_queues_and_routes(start_service):
    service = await start_service()
    queues = await post(service, "/dragoman.v1.AdminService/ListQueues", {})
    _, route = await post(service, "/dragoman.v1.AdminService/ExplainRoute", {"request": {"model": "echo"}})

    assert queues == (200, {})
    assert [target["verdict"] for target in route["targets"]] == ["chosen"]


async def test_operations_are_started_awaited_listed_and_deleted(start_service):
    service = await start_service()
    kept = {"operationId": "over-http", "keepRequest": True}
    _, started = await post(service, f"{COMPLETIONS}/StartCompletion", {"request": body(), **kept})
    named = {"name": started["name"]}
    _, ended = await post(service, f"{OPERATIONS}/WaitOperation", named | {"timeout": "20s"})
    _, page = await post(service, f"{OPERATIONS}/ListOperations", {"name": "operations"})
    _, request = await post(service, f"{COMPLETIONS}/GetCompletionRequest", named)
    deleted = await post(service, f"{OPERATIONS}/DeleteOperation", named)
    gone, _ = await post(service, f"{OPERATIONS}/GetOperation", named)

    assert named == {"name": "operations/over-http"}
    assert ended["response"]["@type"] == "type.googleapis.com/dragoman.v1.Completion"
    assert text_of(ended["response"]) == "one two three"
    assert [operation["name"] for operation in page["operations"]] == [started["name"]]
    assert request["messages"] == body()["messages"]
    assert (deleted, gone) == ((200, {}), 404)


async def test_names_of_the_schema_are_taken_too(start_service):
    service = await start_service()
    status, answer = await post(service, CREATE, body(generation_config={"max_output_tokens": 1}))

    assert (status, text_of(answer)) == (200, "one")


@pytest.mark.parametrize(
    ("sent", "reason", "said"),
    [
        (b'{"model":', "MALFORMED_REQUEST", "not valid JSON"),
        (b"[]", "MALFORMED_REQUEST", "must be a JSON object"),
        (b"", "MALFORMED_REQUEST", "content-type: application/json"),
        (body(maxTokens=1), "INVALID_FIELD", "maxTokens: is not a field of this request"),
        (body(generationConfig={"temperature": "hot"}), "MALFORMED_REQUEST", "generationConfig.temperature"),
        (body(generationConfig={"temperature": 9}), "INVALID_FIELD", "generation_config.temperature: is 9"),
    ],
)
async def test_wrong_requests_are_refused_with_what_is_wrong(start_service, sent, reason, said):
    status, error = await post(await start_service(), CREATE, sent)

    assert (status, error["code"], reason_of(error)) == (400, "invalid_argument", reason)
    assert said in error["message"]


@pytest.mark.parametrize("kind", ["", "(" * 4000, "\udcff", "text/plain", "application/connect+json"])
async def test_bodies_of_other_types_are_refused(start_service, kind):
    service = await start_service()
    for path, sent in ((CREATE, b"{}"), (CREATE, b""), (f"{COMPLETIONS}/StartCompletion", b"{}")):
        async with asked(service.http_address, "POST", path, sent, {"content-type": kind}) as answer:
            error = await answer.json()

        assert (answer.status, reason_of(error)) == (400, "MALFORMED_REQUEST")
        assert "application/json" in error["message"]


async def test_a_header_lets_unknown_fields_pass(start_service):
    service = await start_service()
    ignored = await post(service, CREATE, body(later=1), x_dragoman_unknown_fields="ignore")
    status, error = await post(service, CREATE, body(later=1), x_dragoman_unknown_fields="yes")

    assert (ignored[0], text_of(ignored[1])) == (200, "one two three")
    assert (status, error["message"]) == (400, "x-dragoman-unknown-fields: must be reject or ignore")


async def test_the_details_of_an_error_can_be_decoded(start_service):
    status, error = await post(await start_service(), CREATE, body(model="nobody"))
    info, resource = error["details"]
    raw = base64.b64decode(info["value"] + "==")
    decoded = error_details_pb2.ErrorInfo.FromString(raw)

    assert (status, error["code"]) == (404, "not_found")
    assert "nobody" in error["message"]
    assert (decoded.reason, decoded.domain) == ("MODEL_NOT_FOUND", "dragoman")
    assert info["debug"]["metadata"] == dict(decoded.metadata)
    assert resource["debug"] == {"resourceName": "models/nobody"}


async def test_a_key_is_needed_where_there_are_keys(start_service):
    service = await start_service(access={"keys": [{"id": "ann", "sha256": hashlib.sha256(KEY.encode()).hexdigest()}]})
    missing = await post(service, CREATE, body())
    wrong = await post(service, CREATE, body(), authorization="Bearer no")
    right = await post(service, CREATE, body(), authorization=f"Bearer {KEY}")

    assert [(status, error["code"]) for status, error in (missing, wrong)] == [(401, "unauthenticated")] * 2
    assert right[0] == 200


async def test_a_request_that_is_too_large_is_refused(start_service):
    service = await start_service(server={"max_request_size": "64KiB"})
    status, error = await post(service, CREATE, body("x" * 70_000))

    assert (status, error["code"], reason_of(error)) == (413, "resource_exhausted", "REQUEST_TOO_LARGE")


@pytest.mark.parametrize("path", [CREATE, f"{COMPLETIONS}/StreamCompletion"])
async def test_a_request_of_very_many_values_is_refused(start_service, path):
    sent = b'{"messages":[' + b"{}," * 70_000 + b"{}]}"
    status, error = await post(await start_service(), path, sent)

    assert (status, reason_of(error)) == (413, "REQUEST_TOO_LARGE")


async def test_the_deadline_in_the_header_holds(start_service, logged: Log):
    service = await start_service()
    slow = body("slow", {"first_delay": "20s"})
    status, error = await post(service, CREATE, slow, connect_timeout_ms="80")
    wrong = [await post(service, CREATE, body(), connect_timeout_ms=value) for value in ("-1", "1s", "1" * 11)]

    assert (status, error["code"], reason_of(error)) == (504, "deadline_exceeded", "DEADLINE")
    assert {(status, error["message"].partition(":")[0]) for status, error in wrong} == {(400, "connect-timeout-ms")}
    assert logged.records("rpc.done")[0]["deadline_ms"] == 80


async def test_a_method_that_forgets_its_deadline_is_ended(start_service, monkeypatch):
    service = await start_service()
    monkeypatch.setattr(service._context.operations, "get", lambda *_: asyncio.sleep(60))
    status, error = await post(service, f"{OPERATIONS}/GetOperation", {"name": "operations/a"}, connect_timeout_ms="9")

    assert (status, reason_of(error)) == (504, "DEADLINE")


async def test_an_unknown_version_of_the_protocol_is_refused(start_service):
    service = await start_service()

    assert (await post(service, CREATE, body(), connect_protocol_version="1"))[0] == 200
    assert (await post(service, CREATE, body(), connect_protocol_version="2"))[0] == 400


async def test_binary_messages_are_answered_in_binary(start_service, prompt):
    service = await start_service()
    sent = prompt("Hello there!").SerializeToString()
    async with asked(service.http_address, "POST", CREATE, sent, {"content-type": "application/proto"}) as answer:
        completion = v1.Completion.FromString(await answer.whole())
    async with asked(service.http_address, "POST", CREATE, b"\xff", {"content-type": "application/proto"}) as broken:
        error = await broken.json()
    empty = {"content-type": "application/proto"}
    async with asked(service.http_address, "POST", "/dragoman.v1.ModelService/ListModels", b"", empty) as listed:
        models = v1.ListModelsResponse.FromString(await listed.whole())

    assert answer.headers["content-type"] == "application/proto"
    assert completion.choices[0].message.parts[0].text == "Hello there!"
    assert (broken.status, broken.headers["content-type"]) == (400, "application/json")
    assert reason_of(error) == "MALFORMED_REQUEST"
    assert [model.name for model in models.models] == ["echo/echo"]


async def test_pages_of_allowed_origins_may_call(start_service):
    service = await start_service(server={"cors_origins": ["https://app.example"]})
    asks = {"origin": "https://app.example", "access-control-request-headers": "connect-timeout-ms,content-type"}
    async with asked(service.http_address, "OPTIONS", CREATE, headers=asks) as preflight:
        pass
    async with asked(service.http_address, "POST", CREATE, body(), {"origin": "https://app.example"}) as answer:
        pass
    async with asked(service.http_address, "OPTIONS", CREATE, headers=asks | {"origin": "https://x.example"}) as other:
        pass

    assert preflight.status == 204
    assert preflight.headers["access-control-allow-headers"] == asks["access-control-request-headers"]
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert other.status == 405


async def test_calls_are_logged_and_counted_as_those_of_other_frontends(start_service, logged: Log):
    service = await start_service()
    await post(service, CREATE, body())
    async with asked(service.http_address, "GET", "/metrics") as page:
        metrics = (await page.whole()).decode()
    (line,) = logged.records("rpc.done")

    assert (line["service"], line["method"], line["code"]) == ("native_http", "CreateCompletion", "OK")
    assert (line["input_tokens"], line["output_tokens"]) == (3, 3)
    route = "/dragoman.v1.CompletionService/CreateCompletion"
    labels = f'http_request_method="POST",http_response_status_code="200",http_route="{route}",url_scheme="http"'
    assert f'_duration_seconds_count{{dialect="native_http",error_type="",{labels}}} 1.0' in metrics
