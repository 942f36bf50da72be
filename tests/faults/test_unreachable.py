"""Fault case 24: an unreachable upstream is UNAVAILABLE within the connect time-out, and is sent no request."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
import trustme
from deliveries import DELIVERIES
from fault import Fault
from proxy import black_hole
from scripted_upstream import upstream_of
from upstream_bytes import GOOD, STREAM

UNREACHABLE = Fault("unreachable", (), "UNAVAILABLE", "PROVIDER_UNAVAILABLE", True, (0.001, 60.0))
CONNECT = 0.3  # seconds


async def check(door: Any, within: float) -> None:
    """Checks all four deliveries at the same time, and that they take less than `within` seconds together."""
    begin = time.monotonic()
    outcomes = await asyncio.gather(*(ask(door, "m") for ask in DELIVERIES.values()))
    took = time.monotonic() - begin
    for delivery, outcome in zip(DELIVERIES, outcomes, strict=True):
        UNREACHABLE.check(delivery, outcome)

    assert took < within


async def test_a_name_that_does_not_exist(serve: Any) -> None:
    await check(await serve("http://upstream.invalid/v1"), within=5.0)


async def test_a_port_where_nobody_listens(serve: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    await check(await serve(f"http://127.0.0.1:{port}/v1"), within=5.0)


async def test_a_black_hole_is_given_up_at_the_connect_time_out(serve: Any) -> None:
    with black_hole() as port:
        door = await serve(f"http://127.0.0.1:{port}/v1", connect_timeout=f"{CONNECT}s")

        await check(door, within=CONNECT + 4)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


def context_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def days(count: int) -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=count)


BAD = {
    "expired": lambda ca: ca.issue_cert("127.0.0.1", not_before=days(-2), not_after=days(-1)),
    "not valid yet": lambda ca: ca.issue_cert("127.0.0.1", not_before=days(1), not_after=days(2)),
    "for another name": lambda ca: ca.issue_cert("upstream.example.com"),
    "of another authority": lambda _: trustme.CA().issue_cert("127.0.0.1"),
}


async def test_a_good_certificate_is_taken(authority: trustme.CA, ca_file: Path, serve: Any) -> None:
    async with upstream_of(STREAM, *GOOD, tls=context_of(authority.issue_cert("127.0.0.1"))) as upstream:
        door = await serve(upstream.url, ca_file=str(ca_file))
        outcomes = [await ask(door, "m") for ask in DELIVERIES.values()]

    assert {(outcome.delivered, outcome.code) for outcome in outcomes} == {("Hello", "OK")}


@pytest.mark.parametrize("issue", BAD.values(), ids=BAD)
async def test_a_bad_certificate_gets_no_request(issue: Any, authority: trustme.CA, ca_file: Path, serve: Any) -> None:
    async with upstream_of(STREAM, *GOOD, tls=context_of(issue(authority))) as upstream:
        await check(await serve(upstream.url, ca_file=str(ca_file)), within=2.0)

        assert not upstream.requests


async def test_an_unknown_ca_is_not_trusted(authority: trustme.CA, serve: Any) -> None:
    async with upstream_of(STREAM, *GOOD, tls=context_of(authority.issue_cert("127.0.0.1"))) as upstream:
        await check(await serve(upstream.url), within=2.0)

        assert not upstream.requests


async def test_plain_http_on_a_tls_address(upstream: Any, serve: Any) -> None:
    upstream.script = (STREAM, *GOOD)

    await check(await serve(upstream.url.replace("http:", "https:")), within=2.0)
    assert not upstream.requests


async def test_a_tls_handshake_that_never_ends_is_given_up_at_the_connect_time_out(serve: Any) -> None:
    async with await asyncio.start_server(lambda *_: asyncio.sleep(60), "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        door = await serve(f"https://127.0.0.1:{port}/v1", connect_timeout=f"{CONNECT}s")

        await check(door, within=CONNECT + 4)
