"""The proxy that the environment names for an upstream: HTTP_PROXY, HTTPS_PROXY and NO_PROXY."""

from __future__ import annotations

import ipaddress
import urllib.request
from urllib.parse import SplitResult, urlsplit

from dragoman_service.providers.upstream.http1.requests import ascii_host


def proxy_of(url: SplitResult) -> SplitResult | None:
    """The proxy for requests to `url`; None if they go there directly, as those to this machine always do.

    Raises ValueError with a message for the operator if the proxy is not an `http://` URL.
    """
    named = urllib.request.getproxies_environment()
    if url.scheme not in named or _is_here(ascii_host(url)):
        return None
    if urllib.request.proxy_bypass_environment(url.netloc.rpartition("@")[2], named):  # type: ignore[attr-defined]
        return None
    proxy = urlsplit(named[url.scheme] if "://" in named[url.scheme] else f"http://{named[url.scheme]}")
    variable = f"{url.scheme.upper()}_PROXY"
    if proxy.scheme != "http" or not proxy.hostname:
        # The value may hold a password, so it is not quoted.
        raise ValueError(f"{variable} must be the URL of an HTTP proxy, such as http://proxy.example:3128.")
    try:
        _ = proxy.port
    except ValueError:
        raise ValueError(f"{variable} has a port that is no number from 0 to 65535.") from None
    return proxy


def _is_here(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
