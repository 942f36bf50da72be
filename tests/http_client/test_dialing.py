"""How connections open: several addresses, TLS and its failures, and attempts that are given up."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
import trustme
from dragoman_service.providers.upstream.connection import HttpError
from dragoman_service.providers.upstream.failure_log import reason_of
from dragoman_service.providers.upstream.http import open_http
from dragoman_service.providers.upstream.http1 import lookup
from raw_upstream import OK, raw_upstream, sockets
from scripted_upstream import End, Step
from waiting import until

NAME = "upstream.test"


class Names:
    """Stands in for the name server: `addresses` of every name. Counts the questions."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.addresses: list[tuple[Any, ...]] = []
        self.asked = 0
        monkeypatch.setattr(socket, "getaddrinfo", self._answer)

    def add(self, host: str, port: int) -> None:
        self.addresses.append((socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)))

    def _answer(self, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
        self.asked += 1
        if not self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return list(self.addresses)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    # uvloop asks the system itself, past the function that is replaced here.
    loop = asyncio.get_running_loop
    replaced = Names(monkeypatch)

    class Looking(lookup.Lookup):
        async def _ask(self) -> list[Any]:
            return await loop().run_in_executor(None, socket.getaddrinfo)

    monkeypatch.setattr("dragoman_service.providers.upstream.http1.dialing.Lookup", Looking)
    return replaced


async def test_an_address_that_refuses_is_followed_by_the_next(names: Names) -> None:
    with socket.create_server(("127.0.0.2", 0)) as closed:
        names.add(*closed.getsockname())
    async with raw_upstream((OK,)) as upstream:
        names.add("127.0.0.1", upstream.port)
        async with open_http(f"http://{NAME}") as http:
            answers = [(await http.get("/")).body for _ in range(2)]

    assert answers == [b"ok"] * 2


async def test_an_address_that_is_silent_is_overtaken_by_the_next(names: Names) -> None:
    with socket.create_server(("127.0.0.2", 0), backlog=0) as deaf, socket.socket() as one, socket.socket() as two:
        for filler in (one, two):  # fills the backlog, so that the next connection is not answered
            filler.setblocking(False)
            filler.connect_ex(deaf.getsockname())
        async with raw_upstream((OK,)) as upstream:
            names.add("127.0.0.1", upstream.port)
            names.add(*deaf.getsockname())  # first after the first turn
            async with open_http(f"http://{NAME}", connect_timeout=10.0) as http:
                began = time.monotonic()
                answer = await http.get("/")
                seconds = time.monotonic() - began

    assert answer.body == b"ok"
    assert seconds < 5


async def test_connections_that_open_at_once_share_a_question_to_the_name_server(names: Names) -> None:
    async with raw_upstream((0.02, OK)) as upstream:
        names.add("127.0.0.1", upstream.port)
        async with open_http(f"http://{NAME}") as http:
            await asyncio.gather(*(http.get("/") for _ in range(10)))

    assert len(upstream.links) == 10
    assert names.asked == 1


async def test_a_name_that_is_not_known_is_asked_for_again(names: Names) -> None:
    async with open_http(f"http://{NAME}") as http:
        for _ in range(2):
            with pytest.raises(HttpError) as refused:
                await http.get("/")

    assert names.asked == 2
    assert reason_of(refused.value) == "dns"


CERTIFICATES = {
    "of another authority": (lambda ca: trustme.CA().issue_cert("127.0.0.1"), "certificate verify failed"),
    "for another name": (lambda ca: ca.issue_cert("other.test"), "not valid for '127.0.0.1'|mismatch"),
}


@pytest.mark.parametrize(("issue", "text"), CERTIFICATES.values(), ids=CERTIFICATES)
async def test_a_certificate_that_is_not_trusted_is_named_as_the_reason(issue: Any, text: str, tmp_path: Path) -> None:
    ca, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issue(ca).configure_cert(context)
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    trusted = tmp_path / "ca.pem"
    async with raw_upstream((OK,), tls=context) as upstream, open_http(upstream.url, ca_file=trusted) as http:
        with pytest.raises(HttpError, match=text) as refused:
            await http.get("/")

    assert reason_of(refused.value) == "certificate"
    assert not refused.value.connected
    assert not upstream.requests


async def test_the_name_and_the_protocol_are_told_in_the_handshake(names: Names, tmp_path: Path) -> None:
    ca, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(NAME).configure_cert(context)
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    told: list[str | None] = []
    context.sni_callback = lambda _, name, __: told.append(name)
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with raw_upstream((OK,), tls=context) as upstream:
        names.add("127.0.0.1", upstream.port)
        async with open_http(f"https://{NAME}.", ca_file=tmp_path / "ca.pem") as http:
            answer = await http.get("/")
            chosen = upstream.links[0].transport.get_extra_info("ssl_object").selected_alpn_protocol()

    assert answer.body == b"ok"
    assert (told, chosen) == ([NAME], "http/1.1")


ENDS = {
    "by its length": ((OK,), b"ok"),
    "by the end of the connection": ((b"HTTP/1.1 200 OK\r\n\r\nok", End.FIN), b"ok"),
    "never": ((b"HTTP/1.1 200 OK\r\n\r\nok", asyncio.Event()), None),
}


@pytest.mark.parametrize(("script", "body"), ENDS.values(), ids=ENDS)
async def test_answers_over_tls_end_and_are_left_as_those_without(
    script: tuple[Step, ...], body: bytes | None, tmp_path: Path
) -> None:
    ca, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    trusted = tmp_path / "ca.pem"
    async with raw_upstream(script, tls=context) as upstream, open_http(upstream.url, ca_file=trusted) as http:
        calling = asyncio.ensure_future(http.post("/", b"x" * 300_000))
        await until(lambda: upstream.requests)
        if body is None:
            calling.cancel()
            await until(lambda: not upstream.open)
        else:
            assert (await calling).body == body


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_call_that_is_cancelled_while_it_connects_leaves_nothing(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}"
        async with open_http(url, connect_timeout=60.0) as http:
            before = sockets()
            calling = asyncio.ensure_future(http.get("/"))
            await until(lambda: sockets() > before)
            await asyncio.sleep(0.02)
            calling.cancel()
            await asyncio.wait({calling})
            seconds = await until(lambda: sockets() <= before)

    assert calling.cancelled()
    assert seconds < 10  # far less than the time-out
