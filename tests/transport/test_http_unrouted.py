"""HTTP requests that match no method: unknown paths, other HTTP methods, pages of other origins."""

from __future__ import annotations

import asyncio
import io

import pytest
import structlog
from dragoman_service.telemetry.log import configure
from dragoman_service.transport.http.call import HttpCall
from dragoman_service.transport.http.guard import Method
from http_serving import echo
from raw_http import asked

ASKING = b"POST /ask HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\n"


@pytest.mark.parametrize(("verb", "path", "status"), [("POST", "/nothing/here", 404), ("GET", "/ask", 405)])
async def test_an_unknown_path_gets_a_json_error_and_counts_as_other(serving, verb, path, status) -> None:
    served = await serving(echo)
    async with asked(served.address, verb, path) as answer:
        said = await answer.json()

    assert (answer.status, said["error"]["code"]) == (status, status)
    assert answer.headers["x-request-id"]
    assert answer.headers.get("allow") == ("POST" if status == 405 else None)
    labels = {"dialect": "other", "http_request_method": verb, "http_response_status_code": str(status)}
    assert await served.count("http_server_request_duration_seconds_count", **labels) == 1


async def test_http_methods_that_nobody_knows_are_one_label(serving) -> None:
    served = await serving(echo)
    for verb in ("PROPFIND", "MKCOL", "PURGE"):
        async with asked(served.address, verb, "/ask"):
            pass

    assert await served.count("http_server_request_duration_seconds_count", http_request_method="_OTHER") == 3


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


@pytest.mark.parametrize(
    "wire",
    [
        b"POST /ask HTTP/1.1\r\nauthorization: Bearer SECRET\x01\r\n\r\n",
        b"POST /ask HTTP/1.1\r\nauthorization : Bearer SECRET\r\n\r\n",
        b"POST /ask HTTP/1.1\r\nx: " + b"SECRET" * 10_000 + b"\r\n\r\n",
        ASKING + b"transfer-encoding: chunked\r\n\r\n3\r\na SECRET prompt\r\n0\r\n\r\n",
        ASKING + b"content-length: 16\r\ncontent-encoding: gzip\r\n\r\na SECRET prompt.",
    ],
)
async def test_malformed_http_is_not_quoted_in_the_log(serving, wire: bytes) -> None:
    served = await serving(echo)
    output = io.StringIO()
    writer = configure("info", "json", lambda: None, output)
    try:
        reader, connection = await asyncio.open_connection(*served.address.rsplit(":", 1))
        connection.write(wire)
        await reader.read()
        connection.close()
    finally:
        writer.close()
        structlog.reset_defaults()

    assert "http.malformed" in output.getvalue()
    assert "SECRET" not in output.getvalue()


async def test_a_method_that_looks_at_headers_comes_before_those_that_do_not(serving) -> None:
    async def other(call: HttpCall) -> None:
        call.accept()
        await call.reply(b'"other"')

    served = await serving(echo, methods=(Method("POST", "/ask", "Other", other, headers=("x-one", "x-two")),))
    for headers, reply in (
        ({}, "mine"),
        ({"X-Two": "0"}, "other"),
        ({"x-one": "1"}, "other"),
        ({"x-three": "1"}, "mine"),
    ):
        for path in ("/ask", "//ask/"):
            async with asked(served.address, "POST", path, "mine", headers or None) as answer:
                assert await answer.json() == reply
