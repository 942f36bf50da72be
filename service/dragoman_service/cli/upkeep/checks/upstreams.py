"""Checks whether providers and judges can be reached: a connection and its TLS handshake, without a request."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dragoman_service.cli.upkeep.checks.finding import Finding, failed, ok
from dragoman_service.providers.upstream.http1.proxies import proxy_of
from dragoman_service.providers.upstream.http1.requests import port_of
from dragoman_service.settings.types import Address

SECONDS = 5.0  # for a connection
_SCHEMES = ("https", "http")


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where a plugin connects to. `name` is the path of its table; `url` is empty if it does not speak HTTP/1.1."""

    name: str
    host: str
    port: int
    tls: bool
    ca_file: Path | None
    url: str = ""


def upstreams_of(tables: Iterable[tuple[str, Any]]) -> list[Upstream]:
    """The upstreams of plugins' settings, by the path of each table.

    The address is a URL in `address` or `base_url`, or a `HOST:PORT` in `endpoint`. Others have none to check.
    """
    found = (_upstream(name, settings) for name, settings in tables)
    return [upstream for upstream in found if upstream is not None]


def _upstream(name: str, settings: Any) -> Upstream | None:
    if getattr(settings, "unix_socket", None) is not None:
        return None
    ca_file = getattr(settings, "ca_file", None)
    endpoint = getattr(settings, "endpoint", None)
    if isinstance(endpoint, Address):
        return Upstream(name, endpoint.host, endpoint.port, bool(getattr(settings, "tls", True)), ca_file)
    address = str(getattr(settings, "address", None) or getattr(settings, "base_url", None) or "")
    url = urlsplit(address)
    if url.scheme not in _SCHEMES or not url.hostname:
        return None
    return Upstream(name, url.hostname, port_of(url), url.scheme == "https", ca_file, address)


async def check_upstreams(upstreams: Iterable[Upstream]) -> list[Finding]:
    """A finding for each, all checked at once."""
    return list(await asyncio.gather(*map(_check, upstreams)))


async def _check(upstream: Upstream) -> Finding:
    try:
        proxy = proxy_of(urlsplit(upstream.url)) if upstream.url else None
    except ValueError as error:
        return failed(upstream.name, str(error), "correct the environment variable, or remove it")
    if proxy is not None:
        return await _check_proxy(upstream, Address(proxy.hostname or "", port_of(proxy)))
    place = str(Address(upstream.host, upstream.port))
    try:
        context = ssl.create_default_context(cafile=upstream.ca_file) if upstream.tls else None
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(upstream.host, upstream.port, ssl=context)
    except TimeoutError:
        return _unreachable(upstream, f"{place} does not answer within {SECONDS:g} s")
    except ssl.SSLCertVerificationError as error:
        remedy = f"check the name, or set {upstream.name}.ca_file to the authority of its certificate"
        return failed(upstream.name, f"{place} has a certificate that is not trusted: {error.verify_message}", remedy)
    except OSError as error:
        return _unreachable(upstream, f"{place} cannot be reached: {_reason(error)}")
    writer.close()
    return ok(upstream.name, f"{place} can be reached{', with TLS' if upstream.tls else ''}")


async def _check_proxy(upstream: Upstream, proxy: Address) -> Finding:
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(proxy.host, proxy.port)
    except (OSError, TimeoutError):
        remedy = "check HTTPS_PROXY or HTTP_PROXY, or add the upstream to NO_PROXY"
        return failed(upstream.name, f"{proxy}, the proxy that the environment names for it, cannot be reached", remedy)
    writer.close()
    return ok(upstream.name, f"its proxy {proxy} can be reached; what lies behind it was not tried")


def _reason(error: OSError) -> str:
    """The system's words, without those of asyncio, which repeat the address."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror or error)


def _unreachable(upstream: Upstream, found: str) -> Finding:
    return failed(upstream.name, found, "check the address, the name server and the firewall of this machine")
