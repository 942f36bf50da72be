"""Reserves the ports that all workers listen on, so that port 0 means one port for all of them."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from dragoman_service.settings.errors import Mistake, SettingsError
from dragoman_service.settings.types import Address

# A host name may resolve to addresses of a family that this machine does not use.
_FAMILY_UNAVAILABLE = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


@contextmanager
def reserved(name: str, address: Address) -> Iterator[Address]:
    """Yields the address with its real port, which workers can share until the context ends.

    `name` is the path of the setting, for errors. Raises SettingsError if the address cannot be used, for example
    because another process listens there, even one that shares its port.
    """
    if not hasattr(socket, "SO_REUSEPORT"):
        raise SettingsError([Mistake("server.workers", "should be 1: this system has no SO_REUSEPORT")])
    with ExitStack() as stack:
        try:
            real = _reserve(address, stack)
        except OSError as error:
            raise SettingsError([Mistake(name, f"cannot listen on {address}: {error.strerror or error}")]) from None
        yield real


def _reserve(address: Address, stack: ExitStack) -> Address:
    port, refused = address.port, None
    reserved = []
    for family, _, _, _, place in socket.getaddrinfo(
        address.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    ):
        try:
            # A first bind without SO_REUSEPORT fails if anybody listens there, even with SO_REUSEPORT.
            with socket.socket(family, socket.SOCK_STREAM) as alone:
                _bind(alone, (place[0], port, *place[2:]), address)
            shared = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            _bind(shared, (place[0], port, *place[2:]), address)
        except OSError as error:
            if error.errno not in _FAMILY_UNAVAILABLE:
                raise
            refused = error
        else:
            port = shared.getsockname()[1]
            reserved.append(shared)
    if refused is not None and not reserved:
        raise refused
    return Address(address.host, port)


def _bind(listener: socket.socket, place: tuple[Any, ...], address: Address) -> None:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # ignores connections in TIME_WAIT
    if listener.family is socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not address.all_families))
    listener.bind(place)
