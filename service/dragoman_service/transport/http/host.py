"""Which `Host` a request may name, so that a web page cannot reach a service without keys under a name of its own.

A browser lets a page call the server that the page came from. Whoever owns a name can first serve a page under it and
then let the name stand for 127.0.0.1 (DNS rebinding). The `Host` header still has the foreign name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

LOCAL = "localhost"


class Hosts:
    """Accepts loopback addresses, `localhost` and names below it, and the hosts in `more`."""

    def __init__(self, more: Iterable[str] = ()) -> None:
        self._more = frozenset(host.lower().strip("[]") for host in more)

    def accepts(self, host: str) -> bool:
        """Whether the value of a `Host` header, with or without a port, is accepted. Programs may send none."""
        name = _name_of(host)
        if not name or name == LOCAL or name.endswith(f".{LOCAL}") or name in self._more:
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False


def _name_of(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].rstrip(".").lower()
