"""The HTTP client: connections that are kept, lost, refused and trusted."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from dragoman import text_of
from dragoman_service.dialects.openai.client.quirks import OPENAI
from dragoman_service.providers.openai.provider import OpenAIProvider
from dragoman_service.providers.upstream.connection import HttpError
from dragoman_service.providers.upstream.http import open_http
from local_asking import answer_of, request

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class Server:
    """Counts its connections and requests. It sends one of `answers` for each request of a connection, a little later
    `late`, and closes the connection when they are used up."""

    def __init__(self, *answers: bytes, late: bytes = b"", linger: float = 0.0) -> None:
        self.answers = answers
        self.late = late
        self.linger = linger
        self.connections = 0
        self.requests = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            for answer in self.answers:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int((head.lower().partition(b"content-length:")[2].split() or [b"0"])[0])
                await reader.readexactly(length)
                self.requests += 1
                writer.write(answer)
                if self.late:
                    await asyncio.sleep(0.005)
                    writer.write(self.late)
                await writer.drain()
            await reader.readexactly(1)  # closes while the next request is on its way
            await asyncio.sleep(self.linger)
        writer.close()


@asynccontextmanager
async def listening(server: Server, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()


def url(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}"


async def test_a_connection_is_used_again() -> None:
    async with listening(Server(OK, OK, OK)) as server, open_http(url(server)) as http:
        answers = [(await http.post("/", b"{}")).body for _ in range(3)]

    assert answers == [b"ok"] * 3
    assert server.connections == 1


async def test_a_request_lost_on_a_kept_connection_is_repeated_on_a_fresh_one() -> None:
    async with listening(Server(OK)) as server, open_http(url(server)) as http:
        answers = [(await http.post("/", b"{}")).body for _ in range(2)]

    assert answers == [b"ok", b"ok"]
    assert (server.connections, server.requests) == (2, 2)


async def test_a_request_lost_on_a_fresh_connection_is_not_repeated() -> None:
    async with listening(Server()) as server, open_http(url(server)) as http:
        with pytest.raises(HttpError) as lost:
            await http.post("/", b"{}")

    assert lost.value.connected
    assert server.connections == 1


async def test_a_request_lost_on_a_unix_socket_is_not_repeated_because_each_has_its_own_connection(
    tmp_path: Path,
) -> None:
    server, path = Server(), tmp_path / "s"
    async with (
        await asyncio.start_unix_server(server.serve, path),
        open_http("http://localhost", unix_socket=path) as http,
    ):
        with pytest.raises(HttpError) as lost:
            await http.post("/", b"{}")

    assert lost.value.connected
    assert server.connections == 1


async def test_a_request_that_the_upstream_worked_on_for_a_while_is_not_repeated() -> None:
    async with listening(Server(OK, linger=0.6)) as server, open_http(url(server)) as http:
        await http.post("/", b"{}")
        with pytest.raises(HttpError):
            await http.post("/", b"{}")

    assert server.connections == 1


@pytest.mark.parametrize("late", [b"0\r\n\r\n", b""], ids=["ended", "open"])
async def test_a_connection_whose_answer_was_read_to_its_end_is_used_again(late: bytes) -> None:
    answer = CHUNKED + b"2\r\nok\r\n"
    async with listening(Server(answer, answer, late=late)) as server, open_http(url(server)) as http:
        for _ in range(2):
            async with http.stream("/", b"{}") as stream:
                await anext(stream.chunks)
                await stream.drain(1.0 if late else 0.02)

    assert server.connections == (1 if late else 2)


async def test_the_provider_reads_answers_to_their_end() -> None:
    sse = b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    answer = CHUNKED + b"%x\r\n%s\r\n" % (len(sse), sse)
    async with listening(Server(answer, answer, late=b"0\r\n\r\n")) as server, open_http(url(server)) as http:
        provider = OpenAIProvider(http, [], OPENAI, drain=5.0)  # a busy machine must not look like a slow upstream
        answers = [text_of(await answer_of(provider, request("user: Hi"))) for _ in range(2)]

    assert answers == ["a", "a"]
    assert server.connections == 1


async def test_a_connection_that_nobody_accepts_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf, contextlib.ExitStack() as filling:
        for _ in range(4):  # fills the backlog, so that the next connection is not answered
            filler = filling.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(deaf.getsockname())
        began = time.monotonic()
        async with open_http(f"http://127.0.0.1:{deaf.getsockname()[1]}", connect_timeout=0.2) as http:
            with pytest.raises(HttpError) as refused:
                await http.post("/", b"{}")

    assert not refused.value.connected
    assert 0.2 <= time.monotonic() - began < 5


async def test_a_handshake_that_does_not_go_on_is_given_up_in_time() -> None:
    async with listening(Server(OK)) as server:
        began = time.monotonic()
        async with open_http(f"https://127.0.0.1:{server.port}", connect_timeout=0.2) as http:
            with pytest.raises(HttpError) as refused:
                await http.post("/", b"{}")

    assert not refused.value.connected
    assert 0.2 <= time.monotonic() - began < 5


async def test_an_upstream_with_a_private_ca_is_trusted_through_that_ca_only(tmp_path: Path) -> None:
    ca, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(tls)
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with listening(Server(OK), tls) as server:
        address = f"https://127.0.0.1:{server.port}"
        async with open_http(address, ca_file=tmp_path / "ca.pem") as http:
            answer = await http.get("/")
        async with open_http(address) as http:
            with pytest.raises(HttpError) as refused:
                await http.get("/")

    assert answer.body == b"ok"
    assert not refused.value.connected


async def test_a_compressed_response_is_rejected() -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-encoding: br\r\n\r\nok"
    async with listening(Server(answer)) as server, open_http(url(server)) as http:
        with pytest.raises(HttpError) as refused:
            await http.get("/")

    assert refused.value.malformed
