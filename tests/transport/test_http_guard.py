"""What the guard promises for every method over HTTP, whatever its dialect."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from dragoman import v1
from dragoman_service.contract import CompletionError
from dragoman_service.dialects.http_status import http_status
from dragoman_service.settings import AccessSettings
from dragoman_service.settings_types import Address
from dragoman_service.telemetry.metrics import Metrics
from dragoman_service.telemetry.rpc import RpcTelemetry
from dragoman_service.transport import http_guard
from dragoman_service.transport.access import Access
from dragoman_service.transport.cors import Cors
from dragoman_service.transport.http_call import HttpCall
from dragoman_service.transport.http_guard import HttpGuard, HttpService, Method
from dragoman_service.transport.http_server import HttpServer
from dragoman_service.transport.traffic import Traffic
from google.rpc import code_pb2
from prometheus_client.parser import text_string_to_metric_families
from raw_http import asked, read_head, request_bytes

LIMIT = 4096
Serve = Callable[[HttpCall], Awaitable[None]]


def error_body(error: CompletionError, request_id: str) -> tuple[int, bytes]:
    return http_status(error), json.dumps({"reason": error.reason_name, "id": request_id}).encode()


def last_words(error: CompletionError, request_id: str) -> bytes:
    return f"LAST {error.reason_name}\n".encode()


class Served:
    """A listener with one method, POST /ask."""

    def __init__(self, address: str, metrics: Metrics, traffic: Traffic) -> None:
        self.address, self.traffic, self._metrics = address, traffic, metrics

    async def count(self, name: str, **labels: str) -> float:
        async with asked(self.address, "GET", "/metrics") as answer:
            families = text_string_to_metric_families((await answer.whole()).decode())
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        return sum(s.value for s in samples if labels.items() <= s.labels.items())


StartServing = Callable[..., Awaitable[Served]]


@pytest.fixture
async def serving() -> AsyncIterator[StartServing]:
    """Starts a listener whose POST /ask is answered by the given function."""
    async with AsyncExitStack() as stack:

        async def start(serve: Serve, origins: tuple[str, ...] = (), stall: float = 5.0, **access: Any) -> Served:
            metrics, traffic = Metrics(), Traffic()
            keys = AccessSettings.model_validate({"keys": [], **access})
            doors = Access(keys, anonymous=not keys.keys)
            guard = HttpGuard(doors, RpcTelemetry(metrics), traffic, Cors(origins), LIMIT, stall)
            server = HttpServer(Address("127.0.0.1", 0), lambda: "", metrics.registry, guard)
            server.serve(HttpService("odd", error_body, (Method("POST", "/ask", "Ask", serve, streams=True),)))
            stack.push_async_callback(server.stop)
            return Served(str(await server.start()), metrics, traffic)

        yield start


async def echo(call: HttpCall) -> None:
    call.accept()
    await call.reply(call.body)


async def stream_then_fail(call: HttpCall) -> None:
    call.accept(streaming=True)
    await call.begin("text/plain", last_words)
    await call.send(b"first\n")
    raise CompletionError(code_pb2.UNAVAILABLE, v1.ERROR_REASON_PROVIDER_STREAM_BROKEN, "It broke.")


async def test_an_answer_carries_the_id_of_its_request_and_is_counted(serving) -> None:
    served = await serving(echo)
    async with asked(served.address, "POST", "/ask", {"a": 1}) as answer:
        said = await answer.json()

    assert (answer.status, said) == (200, {"a": 1})
    assert len(answer.headers["x-request-id"]) == 32
    labels = {"grpc_service": "odd", "grpc_method": "Ask", "grpc_type": "unary"}
    assert await served.count("grpc_server_started_total", **labels) == 1
    assert await served.count("grpc_server_handled_total", **labels, grpc_code="OK") == 1


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
async def test_a_body_that_is_not_what_it_should_be_is_malformed(serving, body, headers) -> None:
    served = await serving(echo)
    async with asked(served.address, "POST", "/ask", body, headers) as answer:
        said = await answer.json()

    assert (answer.status, said["reason"]) == (400, "MALFORMED_REQUEST")


async def test_a_body_that_never_comes_is_malformed(serving, monkeypatch) -> None:
    monkeypatch.setattr(http_guard, "BODY", 0.2)
    served = await serving(echo)
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


async def test_a_stream_that_fails_says_so_and_never_ends_cleanly(serving) -> None:
    served = await serving(stream_then_fail)
    async with asked(served.address, "POST", "/ask", {}) as answer:
        rest = await answer.rest()

    assert answer.headers["transfer-encoding"] == "chunked"
    assert rest == b"6\r\nfirst\n\r\n1c\r\nLAST PROVIDER_STREAM_BROKEN\n\r\n", "without the chunk of size 0"
    labels = {"grpc_method": "Ask", "grpc_type": "server_stream"}
    assert await served.count("grpc_server_handled_total", **labels, grpc_code="Unavailable") == 1


async def test_a_stream_over_http_1_0_that_fails_is_reset(serving) -> None:
    served = await serving(stream_then_fail)
    async with asked(served.address, "POST", "/ask", {}, version="1.0") as answer:
        with pytest.raises(ConnectionResetError):
            while await answer.reader.readline():
                pass

    assert "transfer-encoding" not in answer.headers


async def test_a_stream_that_nobody_reads_is_ended(serving, until) -> None:
    ended: list[BaseException] = []

    async def endless(call: HttpCall) -> None:
        call.accept(streaming=True)
        await call.begin("text/plain", last_words)
        try:
            while True:
                await call.send(b"x" * 65_536)
        except CompletionError as stalled:
            ended.append(stalled)
            raise

    served = await serving(endless, stall=0.2)
    async with asked(served.address, "POST", "/ask", {}) as answer:
        await until(lambda: ended)
        await served.traffic.idle()
        rest = await answer.rest()

    assert str(ended[0]).startswith("ABORTED STALLED_READER")
    assert not rest.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("stalled", [False, True])
async def test_a_caller_who_leaves_ends_the_handler_within_50_ms(serving, until, stalled) -> None:
    ended = asyncio.Event()
    calls: list[HttpCall] = []

    async def slow(call: HttpCall) -> None:
        call.accept(streaming=stalled)
        calls.append(call)
        try:
            if stalled:
                await call.begin("text/plain", last_words)
                while True:
                    await call.send(b"x" * 65_536)
            await asyncio.sleep(60)
        finally:
            ended.set()

    served = await serving(slow)
    host, _, port = served.address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(request_bytes("POST", "/ask", {}))
    await until(lambda: calls and (not stalled or calls[0].request.transport.get_write_buffer_size() > 65_536))
    writer.transport.abort()
    async with asyncio.timeout(0.05):
        await ended.wait()
    await served.traffic.idle()

    assert await served.count("grpc_server_handled_total", grpc_method="Ask", grpc_code="Cancelled") == 1


async def test_a_drain_refuses_what_is_new_and_waits_for_what_is_under_way(serving) -> None:
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
    served.traffic.refuse()
    async with asked(served.address, "POST", "/ask", {}) as refused:
        said = await refused.json()
    idle = asyncio.create_task(served.traffic.idle())
    await asyncio.sleep(0)
    waited = not idle.done()
    release.set()
    finished = await read_head(reader, writer)
    await idle
    writer.close()

    assert waited
    assert finished.status == 200
    assert (refused.status, said["reason"], refused.headers["retry-after"]) == (503, "SHUTTING_DOWN", "1")
    assert await served.count("dragoman_rejected_total", reason="draining") == 1


@pytest.mark.parametrize(("verb", "path", "status"), [("POST", "/nothing/here", 404), ("GET", "/ask", 405)])
async def test_what_is_not_there_is_told_in_json_and_counted_as_other(serving, verb, path, status) -> None:
    served = await serving(echo)
    async with asked(served.address, verb, path) as answer:
        said = await answer.json()

    assert (answer.status, said["error"]["code"]) == (status, status)
    assert answer.headers["x-request-id"]
    assert answer.headers.get("allow") == ("POST" if status == 405 else None)
    assert await served.count("grpc_server_handled_total", grpc_method="other") == 1


PREFLIGHT = {"origin": "https://a.example", "access-control-request-headers": "authorization"}


async def test_pages_of_other_origins_may_not_call_unless_the_settings_say_so(serving) -> None:
    served = await serving(echo)
    async with asked(served.address, "OPTIONS", "/ask", headers=PREFLIGHT) as preflight:
        pass
    async with asked(served.address, "POST", "/ask", {}, {"origin": "https://a.example"}) as answer:
        pass

    assert preflight.status == 405
    assert not [name for name in {**preflight.headers, **answer.headers} if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("origins", "allowed"), [(("https://a.example",), True), (("*",), True), (("https://b.example",), False)]
)
async def test_pages_that_the_settings_name_may_call(serving, origins, allowed) -> None:
    served = await serving(echo, origins=origins)
    async with asked(served.address, "OPTIONS", "/ask", headers=PREFLIGHT) as preflight:
        pass
    async with asked(served.address, "POST", "/ask", {}, {"origin": "https://a.example"}) as answer:
        pass

    assert preflight.status == (204 if allowed else 405)
    assert preflight.headers.get("access-control-allow-headers") == ("authorization" if allowed else None)
    for headers in (preflight.headers, answer.headers):
        assert headers.get("access-control-allow-origin") == ("https://a.example" if allowed else None)
        assert headers["vary"] == "Origin"
