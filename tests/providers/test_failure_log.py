"""The log says why an upstream gives no response: DNS, refused, certificate, and others."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from dragoman_service.providers.upstream.connection import HttpError
from dragoman_service.providers.upstream.failure_log import FailureLog
from dragoman_service.providers.upstream.http import open_http
from structlog.testing import capture_logs

KEY = "sk-canary-7f3a"


@asynccontextmanager
async def answering(answer: bytes, tls: ssl.SSLContext | None = None):
    """A server that sends `answer` and hangs up; yields its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with listener:
        yield listener.sockets[0].getsockname()[1]


async def failed(base_url: str, times: int = 1, **options) -> list[dict]:
    """The lines about requests to an upstream that give no response."""
    with capture_logs() as lines:
        async with open_http(base_url, headers={"authorization": f"Bearer {KEY}"}, **options) as http:
            for _ in range(times):
                with pytest.raises(HttpError):
                    await http.get(f"/models?key={KEY}")
    assert KEY not in str(lines)
    return [line for line in lines if line["event"] == "upstream.failed"]


async def test_a_name_that_does_not_exist() -> None:
    (line,) = await failed("http://upstream.invalid/v1")

    assert (line["reason"], line["upstream"], line["log_level"]) == ("dns", "upstream.invalid", "warning")


async def test_a_port_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    (line,) = await failed(f"http://127.0.0.1:{port}/v1")

    assert (line["reason"], line["upstream"]) == ("refused", f"127.0.0.1:{port}")


async def test_a_certificate_that_is_not_trusted() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with answering(b"", context) as port:
        (line,) = await failed(f"https://127.0.0.1:{port}")

    assert line["reason"] == "certificate"
    assert "certificate verify failed" in line["error"]


async def test_a_port_without_tls() -> None:
    async with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        (line,) = await failed(f"https://127.0.0.1:{port}")

    assert line["reason"] == "tls"


@pytest.mark.parametrize(("answer", "reason"), [(b"", "broken"), (b"SSH-2.0 canary\r\n\r\n", "not_http")])
async def test_an_upstream_that_hangs_up_or_speaks_no_http(answer: bytes, reason: str) -> None:
    async with answering(answer) as port:
        (line,) = await failed(f"http://127.0.0.1:{port}")

    assert line["reason"] == reason
    assert "canary" not in line["error"]


async def test_a_unix_socket_that_does_not_exist(tmp_path: Path) -> None:
    (line,) = await failed("http://engine", unix_socket=tmp_path / "none")

    assert (line["reason"], line["upstream"]) == ("no_socket", str(tmp_path / "none"))


async def test_a_reason_is_logged_once_in_a_while() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    lines = await failed(f"http://127.0.0.1:{port}/v1", times=5)
    with capture_logs() as more:
        failures = FailureLog("here", interval=0.0)
        failures.note("timeout", "late")
        failures.note("timeout", "late")

    assert len(lines) == 1
    assert [line["reason"] for line in more] == ["timeout", "timeout"]
