"""Proxies that the environment names: who goes through them, how, and what happens if they refuse."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme
from dragoman_service.providers.upstream.connection import HttpError
from dragoman_service.providers.upstream.http import open_http
from dragoman_service.providers.upstream.http1.proxies import proxy_of
from raw_upstream import OK, RawUpstream, raw_upstream
from small_proxy import small_proxy
from waiting import until

NAME = "upstream.test"
"""No name server knows it: only the proxy does."""


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(NAME).configure_cert(context)
    return context


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


async def test_requests_without_tls_name_the_whole_address_to_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with raw_upstream((OK,)) as upstream, small_proxy({NAME: upstream.port}, "us er:w:rd") as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://us%20er:w%3Ard@{proxy.address}")
        async with open_http(f"http://{NAME}/v1") as http:
            answers = [(await http.post("/chat", b"{}")).body for _ in range(2)]

    assert answers == [b"ok"] * 2
    assert [head.split("\r\n")[:2] for head in proxy.heads] == [
        [f"POST http://{NAME}/v1/chat HTTP/1.1", f"host: {NAME}"]
    ]
    assert len(upstream.links) == 1


async def test_requests_with_tls_go_through_a_tunnel_and_the_certificate_is_the_upstreams(
    monkeypatch: pytest.MonkeyPatch, tls: ssl.SSLContext, ca_file: Path
) -> None:
    async with raw_upstream((OK,), tls=tls) as upstream, small_proxy({NAME: upstream.port}, "user:word") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"user:word@{proxy.address}")
        async with open_http(f"https://{NAME}/v1", headers={"authorization": "Bearer k"}, ca_file=ca_file) as http:
            answers = [(await http.post("/chat", b"{}")).body for _ in range(2)]
        await until(lambda: not upstream.open)

    assert answers == [b"ok"] * 2
    assert [head.partition("\r\n")[0] for head in proxy.heads] == [f"CONNECT {NAME}:443 HTTP/1.1"]
    assert "Bearer" not in "".join(proxy.heads)


async def test_a_certificate_for_another_name_is_not_trusted_behind_a_proxy(
    monkeypatch: pytest.MonkeyPatch, tls: ssl.SSLContext, ca_file: Path
) -> None:
    async with raw_upstream((OK,), tls=tls) as upstream, small_proxy({"other.test": upstream.port}) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
        async with open_http("https://other.test", ca_file=ca_file) as http:
            with pytest.raises(HttpError, match="certificate") as refused:
                await http.get("/")

    assert not refused.value.connected
    assert not upstream.requests


@pytest.mark.parametrize(("user", "status"), [("", "502"), ("wrong:word", "407")])
async def test_a_refusal_of_the_proxy_is_not_an_answer_of_the_upstream(
    user: str, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with small_proxy({}, "user:word" if user else "") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{user}@{proxy.address}" if user else f"http://{proxy.address}")
        async with open_http(f"https://{NAME}") as http:
            with pytest.raises(HttpError, match=f"the proxy answered {status} to CONNECT") as refused:
                await http.get("/")

    assert not refused.value.connected


@pytest.mark.parametrize(
    "answer",
    [b"", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nmore"],
    ids=["nothing", "no HTTP", "more than an answer"],
)
async def test_a_proxy_that_answers_badly_gets_no_request(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        async with open_http(f"https://{NAME}") as http:
            with pytest.raises(HttpError, match="the proxy") as refused:
                await http.get("/")

    assert not refused.value.connected


async def test_a_proxy_that_is_silent_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{silent.getsockname()[1]}")
        async with open_http(f"https://{NAME}", connect_timeout=0.2) as http:
            with pytest.raises(HttpError) as refused:
                await http.get("/")

    assert not refused.value.connected


async def test_this_machine_and_unix_sockets_are_never_reached_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    async with raw_upstream((OK,)) as upstream, open_http(upstream.url) as http:
        direct = (await http.get("/")).body
    upstream = RawUpstream((OK,))
    server = await asyncio.get_running_loop().create_unix_server(upstream.link, tmp_path / "s")
    async with open_http("http://engine", unix_socket=tmp_path / "s") as http:
        local = (await http.get("/")).body
    server.close()

    assert (direct, local) == (b"ok", b"ok")


@pytest.mark.parametrize(
    ("url", "proxied"),
    [
        ("http://one.example", True),
        ("https://one.example", False),
        ("http://none.example", False),
        ("http://sub.none.example:8000", False),
        ("http://port.example:81", False),
        ("http://port.example", True),
        ("http://10.0.0.1", False),
        ("http://localhost:1", False),
        ("http://127.8.8.8", False),
        ("http://[::1]", False),
    ],
)
def test_the_environment_says_who_goes_through_a_proxy(
    url: str, proxied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "proxy.example:3128")
    monkeypatch.setenv("no_proxy", "none.example, port.example:81, 10.0.0.1")
    proxy = proxy_of(urlsplit(url))

    assert bool(proxy) is proxied
    assert proxy is None or (proxy.hostname, proxy.port) == ("proxy.example", 3128)


@pytest.mark.parametrize("value", ["socks5://proxy:1080", "https://user:word@proxy", "http://", "http://proxy:99999"])
async def test_a_proxy_that_cannot_be_used_is_an_error_that_does_not_quote_it(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", value)
    with pytest.raises(ValueError, match="HTTP_PROXY") as wrong:
        async with open_http("http://one.example"):
            pass

    assert "word" not in str(wrong.value)
