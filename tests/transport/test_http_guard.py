"""What the guard promises for every method over HTTP, whatever its dialect."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import resource

import pytest
from dragoman import v1
from dragoman_service.contract import CompletionError
from dragoman_service.transport.http.call import HttpCall
from google.rpc import code_pb2
from http_serving import LIMIT, echo
from raw_http import asked, read_head, request_bytes


async def test_an_answer_carries_the_id_of_its_request_and_is_counted(serving) -> None:
    served = await serving(echo)
    async with asked(served.address, "POST", "/ask", {"a": 1}) as answer:
        said = await answer.json()

    assert (answer.status, said) == (200, {"a": 1})
    assert len(answer.headers["x-request-id"]) == 32
    labels = {"dialect": "odd", "http_request_method": "POST", "http_route": "/ask", "http_response_status_code": "200"}
    assert await served.count("http_server_request_duration_seconds_count", **labels, error_type="") == 1


@pytest.mark.parametrize(("size", "status"), [(LIMIT - 1, 200), (LIMIT, 200), (LIMIT + 1, 413)])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_may_be_as_large_as_the_limit_and_no_larger(serving, size, status, chunked) -> None:
    served = await serving(echo)
    body = b'"' + b"x" * (size - 2) + b'"'
    headers = {"content-length": "", "transfer-encoding": "chunked"} if chunked else {}
    wire = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    async with asked(served.address, "POST", "/ask", wire, headers) as answer:
        said = await answer.json()

    assert answer.status == status
    assert status == 200 or (said["reason"], said["id"]) == ("REQUEST_TOO_LARGE", answer.headers["x-request-id"])


async def test_a_bomb_is_not_unpacked(serving) -> None:
    served = await serving(echo)
    bomb = gzip.compress(bytes(256 * 1024**2))[:LIMIT]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with asked(served.address, "POST", "/ask", bomb, {"content-encoding": "gzip"}) as answer:
        said = await answer.json()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    assert (answer.status, said["reason"]) == (413, "REQUEST_TOO_LARGE")
    assert grown < 16 * 1024, "KiB"


@pytest.mark.parametrize(
    ("body", "headers"),
    [(b"{}", {"content-type": "text/plain"}), (b"not gzip", {"content-encoding": "gzip"})],
)
async def test_a_body_of_another_type_or_encoding_is_malformed(serving, body, headers) -> None:
    served = await serving(echo)
    async with asked(served.address, "POST", "/ask", body, headers) as answer:
        said = await answer.json()

    assert (answer.status, said["reason"]) == (400, "MALFORMED_REQUEST")


async def test_a_body_that_never_arrives_is_malformed(serving) -> None:
    served = await serving(echo, body=0.2)
    async with asked(served.address, "POST", "/ask", b"{", {"content-length": "9"}) as answer:
        said = await answer.json()

    assert (answer.status, said["reason"]) == (400, "MALFORMED_REQUEST")


@pytest.mark.parametrize(
    ("header", "status", "reason"),
    [
        ("Bearer key-of-a", 200, ""),
        ("Api-Key key-of-a", 200, ""),
        ("", 401, "CREDENTIALS_MISSING"),
        ("Bearer other", 401, "CREDENTIALS_INVALID"),
        ("Basic key-of-a", 401, "CREDENTIALS_INVALID"),
    ],
)
async def test_the_keys_are_those_of_grpc(serving, header, status, reason) -> None:
    sha256 = hashlib.sha256(b"key-of-a").hexdigest()
    served = await serving(echo, keys=[{"id": "a", "sha256": sha256}])
    async with asked(served.address, "POST", "/ask", {}, {"authorization": header}) as answer:
        said = await answer.json()

    assert (answer.status, said.get("reason", "")) == (status, reason)


async def test_a_key_that_is_not_utf8_is_refused_like_any_other(serving) -> None:
    served = await serving(echo, keys=[{"id": "a", "sha256": hashlib.sha256(b"key-of-a").hexdigest()}])
    host, _, port = served.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /ask HTTP/1.1\r\nhost: here\r\nauthorization: Bearer \xe9\r\n\r\n")
    answer = await read_head(reader, writer)
    writer.close()

    assert answer.status == 401


@pytest.mark.parametrize(
    ("code", "retry_after", "expected"),
    [
        (code_pb2.UNAVAILABLE, 1.2, (503, "2", None)),
        (code_pb2.UNAVAILABLE, None, (503, None, "false")),
        (code_pb2.INTERNAL, None, (500, None, "false")),
        (code_pb2.ALREADY_EXISTS, None, (409, None, "false")),
        (code_pb2.NOT_FOUND, None, (404, None, None)),
    ],
)
async def test_an_error_tells_whether_and_when_to_try_again(serving, code, retry_after, expected) -> None:
    async def fail(call: HttpCall) -> None:
        retryable = retry_after is not None
        raise CompletionError(code, v1.ERROR_REASON_INTERNAL, "no", retryable=retryable, retry_after=retry_after)

    served = await serving(fail)
    async with asked(served.address, "POST", "/ask", {}) as answer:
        pass

    assert (answer.status, answer.headers.get("retry-after"), answer.headers.get("x-should-retry")) == expected
    assert answer.headers["x-request-id"]


async def test_a_fault_of_ours_leaks_no_text(serving) -> None:
    async def fault(call: HttpCall) -> None:
        raise RuntimeError("secret detail")

    served = await serving(fault)
    async with asked(served.address, "POST", "/ask", {}) as answer:
        said = await answer.whole()

    assert answer.status == 500
    assert b"secret" not in said
    assert json.loads(said)["reason"] == "INTERNAL"


async def test_a_call_that_nothing_else_ends_is_ended_by_the_drain(serving) -> None:
    begun = asyncio.Event()

    async def stuck(call: HttpCall) -> None:
        begun.set()
        await asyncio.Event().wait()

    served = await serving(stuck)

    async def end() -> None:
        await begun.wait()
        served.in_flight.end_all()

    ending = asyncio.create_task(end())
    async with asked(served.address, "POST", "/ask", {}) as ended:
        said = await ended.json()
    await ending

    assert (ended.status, said["reason"]) == (503, "SHUTTING_DOWN")


async def test_a_drain_refuses_new_calls_and_waits_for_those_under_way(serving) -> None:
    begun, release = asyncio.Event(), asyncio.Event()

    async def held(call: HttpCall) -> None:
        begun.set()
        await release.wait()
        await call.reply(b"{}")

    served = await serving(held)
    host, _, port = served.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request_bytes("POST", "/ask", {}))
    await begun.wait()
    served.in_flight.refusing = True
    async with asked(served.address, "POST", "/ask", {}) as refused:
        said = await refused.json()
    idle = asyncio.create_task(served.in_flight.idle())
    await asyncio.sleep(0)
    waited = not idle.done()
    release.set()
    finished = await read_head(reader, writer)
    await idle
    writer.close()

    assert waited
    assert finished.status == 200
    assert (refused.status, said["reason"], refused.headers["retry-after"]) == (503, "SHUTTING_DOWN", "1")
    assert refused.headers["connection"] == "close"
    assert await served.count("dragoman_rejected_total", reason="draining") == 1
